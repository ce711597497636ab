"""A cluster is brought to another version: masters, description, nodes; or refused beforehand."""

from typing import Any

import pytest

from domain.cloud.plan import Action
from domain.cluster.api import Pod
from domain.cluster.versions import RequestedApi
from domain.kernel.errors import BadRequest, ClusterError, InvalidSpec
from domain.kernel.names import MASTERS, NODES
from domain.node.install import GROUP_LABEL
from domain.spec.cluster import changed
from flows.runbooks.upgrade import upgrade
from tasks.cases import Input
from tasks.executors import PlainSteps
from tasks.metrics import need_machines
from tasks.overview import need_spec
from tasks.runs import only_run
from tasks.upgrades import Upgrade, find_upgrade
from tests.flows.runbooks.world import SPEC, Strike, World

OLD, NEW = "1.35.9", "1.36.4"
BEFORE = changed(SPEC, {"kubernetes": {"version": OLD}})


def find(world: World, version: str = NEW, **choices: Any) -> Upgrade:
    cluster = world.open()
    found = Input(cluster.wanting(need_spec(cluster)), need_machines(cluster))
    return find_upgrade(found, version, **choices)


def run(world: World, strike: Strike | None = None, **choices: Any) -> Upgrade:
    cluster = world.open(strike)
    with only_run(cluster):
        found = Input(cluster.wanting(need_spec(cluster)), need_machines(cluster))
        planned = find_upgrade(found, NEW, **choices)
        upgrade(PlainSteps(world.clock), planned)
    return planned


def versions(world: World, group: str = NODES) -> list[str]:
    return sorted(n.version for n in world.nodes.values() if n.labels[GROUP_LABEL] == group)


def stored(world: World) -> str:
    return need_spec(world.open()).kubernetes.version


def test_masters_then_the_description_then_the_nodes(world: World) -> None:
    world.provision(spec=BEFORE.with_count(NODES, 3))
    before = {machine.id for machine in world.machines()}
    plan = find(world).plan()
    assert [(i.kind, i.action, i.reason) for i in plan.items] == [
        ("snapshot", Action.CREATE, "before the first change"),
        ("machine", Action.CHANGE, f"control plane and kubelet: {OLD} → {NEW}"),
        ("description", Action.CHANGE, f"{OLD} → {NEW}"),
        *[("machine", Action.CHANGE, f"emptied, kubelet {OLD} → {NEW}")] * 3,
    ]
    run(world)
    assert versions(world) == [f"v{NEW}"] * 3
    assert versions(world, MASTERS) == [f"v{NEW}"]
    assert stored(world) == NEW
    assert {machine.id for machine in world.machines()} == before
    assert all(node.schedulable for node in world.nodes.values())
    assert find(world).plan().items == ()
    world.scale(4)
    assert versions(world) == [f"v{NEW}"] * 4


def test_three_masters_are_upgraded_one_by_one_and_emptied_for_it(world: World) -> None:
    world.provision(spec=changed(BEFORE, {"masters": {"count": 3}}))
    seen: list[list[str]] = []
    world.on_upgraded = lambda: seen.append(versions(world, MASTERS))
    counting = Strike()
    run(world, counting)
    assert seen[:3] == [
        [f"v{OLD}", f"v{OLD}", f"v{NEW}"],
        [f"v{OLD}", f"v{NEW}", f"v{NEW}"],
        [f"v{NEW}", f"v{NEW}", f"v{NEW}"],
    ]
    assert set(world.api_servers.values()) == {f"v{NEW}"}
    assert versions(world) == [f"v{NEW}"] * 2
    assert all(node.schedulable for node in world.nodes.values())
    assert counting.changes.count("kubernetes cordon") == 2 * (3 + 2)  # and uncordoned


def test_nodes_are_replaced_where_that_is_wanted(world: World) -> None:
    world.provision(spec=BEFORE)
    before = {machine.id for machine in world.workers()}
    run(world, replace=True)
    assert versions(world) == [f"v{NEW}"] * 2
    assert not before & {machine.id for machine in world.workers()}
    assert find(world, replace=True).plan().items == ()


def test_a_machine_that_joins_in_the_middle_has_a_version_that_is_allowed(world: World) -> None:
    world.provision(spec=BEFORE)
    world.broken = {max(machine.id for machine in world.workers())}
    with pytest.raises(ClusterError, match="disk is full"):
        run(world)
    assert stored(world) == NEW  # the masters are new, so that a new kubelet is allowed
    world.broken.clear()
    world.scale(3)
    assert len(versions(world)) == 3
    run(world)
    assert versions(world) == [f"v{NEW}"] * 3


def test_a_node_that_was_left_cordoned_takes_pods_again(world: World) -> None:
    world.provision(spec=BEFORE)
    run(world)
    [node, _] = [node.name for node in world.ready_workers()]
    api = world.open().api()
    api.annotate_node(node, {"k8s-qingcloud/cordoned": "true"})
    api.set_schedulable(node, False)
    assert [item.reason for item in find(world).plan().items] == ["is still cordoned"]
    run(world)
    assert all(one.schedulable for one in world.nodes.values())


def test_pods_that_are_ill_after_the_masters_stop_it_before_the_nodes(world: World) -> None:
    world.provision(spec=BEFORE)
    ill = Pod("kube-system", "coredns-1", "u", "", "Pending", False, "ReplicaSet", False)
    world.on_upgraded = lambda: world.pods.append(ill)
    with pytest.raises(ClusterError, match=r"1 of 1 masters.*kube-system/coredns-1"):
        run(world)
    assert versions(world) == [f"v{OLD}"] * 2
    world.pods.clear()
    world.on_upgraded = lambda: None
    run(world)
    assert versions(world) == [f"v{NEW}"] * 2


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("1.37.1", "skips a minor version"),
        ("1.35.8", "a downgrade is not possible"),
        ("1.34.1", "use a full version of 1.35, 1.36 or 1.37"),
        ("latest", "use a full version of 1.35, 1.36 or 1.37"),
    ],
)
def test_an_unsafe_version_is_refused_and_nothing_changes(
    world: World, version: str, sentence: str
) -> None:
    world.provision(spec=BEFORE)
    before = world.state()
    with pytest.raises(InvalidSpec, match=sentence):
        find(world, version)
    assert world.state() == before


def test_an_api_that_clients_use_and_a_broken_machine_are_refused(world: World) -> None:
    world.provision(spec=BEFORE)
    world.requested_apis = [RequestedApi("a.k8s.io", "v1beta1", "things", "1.36")]
    with pytest.raises(InvalidSpec, match=r"things of a\.k8s\.io/v1beta1.*--force"):
        find(world)
    assert find(world, force=True).masters
    world.stop(min(machine.id for machine in world.workers()))
    with pytest.raises(BadRequest, match=r"it is stopped.*flows\.repair"):
        find(world, force=True)
