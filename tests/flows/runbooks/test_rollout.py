"""A changed template is brought to the machines of its group, which are replaced step by step."""

from collections import Counter

import pytest

from domain.cloud.plan import Action
from domain.cluster.api import Pod
from domain.kernel.errors import BadRequest, ClusterError, InvalidSpec
from domain.kernel.names import NODES
from domain.node.exempt import EXEMPT
from domain.spec.cluster import ClusterSpec
from flows.runbooks.rollout import roll_out
from tasks.cases import Input
from tasks.executors import PlainSteps
from tasks.metrics import need_machines
from tasks.overview import need_spec
from tasks.rollouts import Rollouts, find_rollouts
from tasks.runs import only_run
from tests.flows.runbooks.world import SPEC, Strike, World

LARGER = "s1.xlarge.r2"
ILL = Pod("default", "web-1", "uid-1", "", "Pending", False, "ReplicaSet", False)
WANTED = SPEC.with_group(NODES, {"template": {"instance_type": LARGER}})


def find(world: World, strike: Strike | None = None, share: int = 20) -> Rollouts:
    cluster = world.open(strike)
    found = Input(cluster.wanting(need_spec(cluster)), need_machines(cluster))
    return find_rollouts(found, share=share)


def roll(world: World, strike: Strike | None = None, share: int = 20) -> Rollouts:
    cluster = world.open(strike)
    with only_run(cluster):
        found = Input(cluster.wanting(need_spec(cluster)), need_machines(cluster))
        rollouts = find_rollouts(found, share=share)
        roll_out(PlainSteps(world.clock), rollouts)
    return rollouts


def begin(world: World, count: int = 2, wanted: ClusterSpec = WANTED) -> set[str]:
    """A cluster whose template was changed afterwards. Returns: the ids of its nodes' machines."""
    world.provision(spec=SPEC.with_count(NODES, count))
    world.provision(spec=wanted.with_count(NODES, count))
    return {machine.id for machine in world.workers()}


def types(world: World) -> Counter[str]:
    return Counter(machine.type_id for machine in world.workers())


def test_all_machines_are_replaced_one_first_and_then_a_share_at_a_time(world: World) -> None:
    before = begin(world, 6)
    counting = Strike()
    plan = find(world, share=40).plan()
    deleted = {item.id for item in plan.changes if item.action is Action.DELETE}
    assert deleted == before
    assert [item.count for item in plan.changes if item.action is Action.CREATE] == [6]
    roll(world, counting, share=40)
    assert types(world) == {LARGER: 6}
    assert len(world.ready_workers()) == 6
    assert not before & {machine.id for machine in world.workers()}
    assert counting.changes.count("run_instances") == 4  # 1, 2, 2, 1
    assert counting.changes.count("terminate_instances") == 6
    assert find(world).groups == ()
    assert need_spec(world.open()).count(NODES) == 6


def test_a_canary_that_fails_stops_everything_and_the_next_run_goes_on(world: World) -> None:
    before = begin(world)
    world.break_next(1)
    with pytest.raises(ClusterError, match="the disk is full"):
        roll(world)
    assert before < {machine.id for machine in world.workers()}
    assert all(node.schedulable for node in world.ready_workers())
    world.broken.clear()
    roll(world)
    assert types(world) == {LARGER: 2}


def test_pods_that_are_ill_after_the_canary_stop_it_and_are_named(world: World) -> None:
    before = begin(world)
    world.on_node_deleted = lambda: world.pods.append(ILL)
    with pytest.raises(ClusterError, match=r"1 gone from k8s-node, 1 left.*1 pods.*default/web-1"):
        roll(world)
    assert len(before & {machine.id for machine in world.workers()}) == 1
    world.pods.clear()
    world.on_node_deleted = lambda: None
    roll(world)
    assert types(world) == {LARGER: 2}


def test_exempt_and_cordoned_machines_stay_and_are_named(world: World) -> None:
    begin(world, 3)
    by_label, by_cordon, _ = sorted(node.name for node in world.ready_workers())
    world.label(by_label, {EXEMPT: "true"})
    world.cordon(by_cordon, False)
    stays = {world.open().node_name(one.machine): one.stays for one in find(world).staying}
    assert stays == {by_label: "it is exempt", by_cordon: "its node was cordoned by hand"}
    roll(world)
    assert {by_label, by_cordon} < {node.name for node in world.ready_workers()}
    assert types(world) == {LARGER: 1, "s1.large.r2": 2}


def test_a_group_at_its_maximum_is_rolled_out_too(world: World) -> None:
    begin(world, wanted=WANTED.with_group(NODES, {"maximum": 2}))
    roll(world)
    assert types(world) == {LARGER: 2}
    assert need_spec(world.open()).nodes.maximum == 2


def test_a_broken_machine_of_the_new_template_is_repaired_first(world: World) -> None:
    world.provision(spec=SPEC.with_count(NODES, 1))
    world.provision(spec=WANTED)
    [new] = [machine.id for machine in world.workers() if machine.type_id == LARGER]
    world.stop(new)
    with pytest.raises(BadRequest, match=rf"{new} \(it is stopped\).*flows.repair"):
        find(world)


def test_a_broken_old_machine_is_replaced_with_the_others(world: World) -> None:
    before = begin(world)
    world.stop(min(before))
    roll(world)
    assert types(world) == {LARGER: 2}


def test_an_unknown_group_is_refused(world: World) -> None:
    world.provision()
    cluster = world.open()
    found = Input(cluster.wanting(need_spec(cluster)), need_machines(cluster))
    for group in ("gpu", "k8s-master"):
        with pytest.raises(InvalidSpec, match="group"):
            find_rollouts(found, group)
