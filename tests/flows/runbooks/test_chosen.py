"""Machines that an operator chooses leave a group, and no other one does."""

import pytest

from domain.kernel.errors import InvalidSpec
from domain.kernel.names import NODES
from domain.node.exempt import EXEMPT
from flows.runbooks.scale import scale_to
from flows.scale import wanted_change
from tasks.executors import PlainSteps
from tasks.overview import need_spec
from tasks.runs import only_run
from tests.flows.runbooks.world import SPEC, World


def remove(world: World, *names: str) -> None:
    cluster = world.open()
    with only_run(cluster):
        wanting, leaving = wanted_change(cluster, NODES, None, names)
        scale_to(PlainSteps(world.clock), wanting, NODES, leaving)


def test_exactly_the_chosen_machines_leave_by_id_or_by_node(world: World) -> None:
    world.provision(spec=SPEC.with_count(NODES, 4))
    before = {node.name for node in world.ready_workers()}
    first, second, *_ = sorted(before)
    machine = f"i-{second.removeprefix('k8s-node-')}"
    remove(world, first, machine, second)
    assert {node.name for node in world.ready_workers()} == before - {first, second}
    assert need_spec(world.open()).count(NODES) == 2


@pytest.mark.parametrize(
    ("count", "names", "sentence"),
    [
        (None, ("i-nobody",), r"group k8s-node has no machine 'i-nobody'; it has i-"),
        (None, (), r"--count is missing"),
        (1, ("i-x",), r"--count and --remove do not go together"),
    ],
)
def test_a_wrong_choice_is_refused_and_nothing_leaves(
    world: World, count: int | None, names: tuple[str, ...], sentence: str
) -> None:
    world.provision()
    with pytest.raises(InvalidSpec, match=sentence):
        wanted_change(world.open(), NODES, count, names)


def test_a_group_is_not_shrunk_below_its_minimum(world: World) -> None:
    bounded = SPEC.with_group(NODES, {"minimum": 2})
    world.provision(spec=bounded)
    [name, _] = [node.name for node in world.ready_workers()]
    with pytest.raises(InvalidSpec, match="1 is outside the bounds of k8s-node, 2 to"):
        wanted_change(world.open(), NODES, None, (name,))


def test_an_exempt_machine_is_not_chosen_and_only_leaves_by_its_name(world: World) -> None:
    world.provision(spec=SPEC.with_count(NODES, 3))
    exempt = max(node.name for node in world.ready_workers())
    world.label(exempt, {EXEMPT: "true"})
    cluster = world.open()
    _, leaving = wanted_change(cluster, NODES, 1, (), force=True)
    assert exempt not in {cluster.node_name(one) for one in leaving}
    with pytest.raises(InvalidSpec, match="which are exempt; take the exemption back"):
        wanted_change(cluster, NODES, 0, (), force=True)
    _, leaving = wanted_change(cluster, NODES, None, (exempt,))
    assert [cluster.node_name(one) for one in leaving] == [exempt]


def test_a_group_is_not_emptied_while_a_pod_has_no_place_elsewhere(world: World) -> None:
    world.provision()  # each node of the world is full
    words = r"group k8s-node cannot be emptied, .*default/full-\d+ \(the other nodes are full\)"
    with pytest.raises(InvalidSpec, match=words):
        wanted_change(world.open(), NODES, 0, ())
    assert len(wanted_change(world.open(), NODES, 0, (), force=True)[1]) == 2
    assert len(wanted_change(world.open(), NODES, 1, ())[1]) == 1  # budgets look after that
