"""Several masters: made together, one to three and back, and a lost one replaced."""

from collections import Counter

import pytest

from domain.cloud.planning import plan_cluster
from domain.kernel.errors import ClusterError, InvalidSpec, QuorumAtRisk
from domain.kernel.names import MASTERS
from domain.node.install import GROUP_LABEL, INSTANCE_LABEL
from domain.spec.cluster import ClusterSpec, changed
from flows.runbooks.masters import remove_masters
from flows.runbooks.repair import repair_groups
from flows.scale import wanted_change
from tasks.cases import Input
from tasks.executors import PlainSteps
from tasks.metrics import need_machines
from tasks.overview import need_spec, read_unfinished, wanted_spec
from tasks.repairs import find_repairs
from tasks.runs import only_run
from tests.flows.runbooks.world import SPEC, World

THREE = changed(SPEC, {"masters": {"count": 3}, "nodes": {"count": 1}})
ONE = changed(SPEC, {"nodes": {"count": 1}})


def masters(world: World) -> set[str]:
    return {machine.id for machine in world.machines() if MASTERS in machine.name}


def backends(world: World) -> Counter[str]:
    seen = world.open().inventory()
    return Counter(backend.instance_id for backend in seen.backends)


def check_whole(world: World, spec: ClusterSpec = THREE) -> None:
    """Each master is a node, a member of etcd and a backend, SSH leads to one, nothing is left."""
    wanted = masters(world)
    assert len(wanted) == spec.masters.count
    nodes = [node for node in world.nodes.values() if node.labels[GROUP_LABEL] == MASTERS]
    assert {node.labels[INSTANCE_LABEL] for node in nodes} == wanted
    assert set(world.members.values()) == wanted
    assert backends(world) == dict.fromkeys(wanted, 3)
    seen = world.open().inventory()
    assert any(map(seen.leads_ssh_to, seen.masters))
    assert world.tokens() == []
    assert plan_cluster(spec, world.open().inventory()).changes == ()
    assert read_unfinished(world.open(), spec, api_ready=True) == ()


def terminate(world: World, machine_id: str) -> None:
    """As somebody does in the console: the Node, the member and the backends stay."""
    world.cloud.terminate_instances([machine_id])
    while machine_id in masters(world):
        world.clock.sleep(1)


def repair(world: World) -> dict[str, str]:
    """Repair as the flow does. Returns: what stays, with the reason."""
    cluster = world.open()
    with only_run(cluster):
        found = find_repairs(Input(cluster.wanting(need_spec(cluster)), need_machines(cluster)))
        repair_groups(PlainSteps(world.clock), found)
    return {one.name: one.why for one in found.staying}


def test_three_masters_are_made_together(world: World) -> None:
    world.provision(spec=THREE)
    check_whole(world)
    before = world.daemon.iaas.count_resources()
    world.provision(spec=THREE)
    assert world.daemon.iaas.count_resources() == before
    world.teardown()
    assert world.resources() == {}


def test_one_becomes_three_by_provision_and_never_fewer(world: World) -> None:
    world.provision(spec=ONE)
    first = masters(world)
    world.provision(spec=THREE)
    check_whole(world)
    assert first < masters(world)
    cluster = world.open()
    fewer = wanted_spec(cluster, need_spec(cluster), {"masters": {"count": 1}})
    assert fewer.masters.count == 3


def test_one_becomes_three_and_one_again_by_scale(world: World) -> None:
    world.provision(spec=ONE)
    first = masters(world)
    world.scale(3, group=MASTERS)
    check_whole(world)
    world.scale(1, group=MASTERS)
    check_whole(world, ONE)
    assert masters(world) == first


@pytest.mark.parametrize("change", [1, -1])
def test_nodes_come_and_go_while_the_jump_host_is_lost(world: World, change: int) -> None:
    world.provision(spec=THREE)
    jump = world.open().inventory().jump_host
    assert jump is not None
    terminate(world, jump.id)
    world.scale(THREE.nodes.count + change)
    seen = world.open().inventory()
    assert any(map(seen.leads_ssh_to, seen.masters))
    assert len(world.ready_workers()) == THREE.nodes.count + change


def test_a_lost_master_is_replaced_by_provision(world: World) -> None:
    world.provision(spec=THREE)
    [lost, *_] = sorted(masters(world))
    jump = world.open().inventory().jump_host
    assert jump is not None
    for gone in (lost, jump.id) if lost != jump.id else (lost,):
        terminate(world, gone)
        world.provision(spec=THREE)
        assert gone not in masters(world)
        check_whole(world)


def test_a_stopped_or_lost_master_is_replaced_by_repair(world: World) -> None:
    world.provision(spec=THREE)
    jump = world.open().inventory().jump_host
    assert jump is not None
    world.stop(jump.id)
    assert repair(world) == {}
    assert jump.id not in masters(world)
    check_whole(world)
    gone = min(masters(world))
    terminate(world, gone)
    assert repair(world) == {}
    assert gone not in masters(world)
    check_whole(world)


def test_a_stopped_master_is_named_and_everything_else_is_done(world: World) -> None:
    world.provision(spec=THREE)
    off = min(masters(world))
    world.stop(off)
    with pytest.raises(ClusterError, match=rf"master {off} .* it is stopped; .*flows.repair"):
        world.provision(spec=changed(THREE, {"nodes": {"count": 2}}))
    assert len(world.ready_workers()) == 2
    assert off not in backends(world)
    world.start(off)
    world.provision(spec=changed(THREE, {"nodes": {"count": 2}}))
    check_whole(world, changed(THREE, {"nodes": {"count": 2}}))


def test_a_step_that_would_break_the_quorum_is_refused_by_name(world: World) -> None:
    world.provision(spec=THREE)
    one, other, _ = sorted(masters(world))
    world.stop(other)
    cluster = world.open()
    cluster = cluster.wanting(need_spec(cluster)).at(cluster.ssh_endpoints())
    leaving = [machine for machine in world.machines() if machine.id == one]
    with pytest.raises(
        QuorumAtRisk, match=rf"k8s-master-{one[2:]} .* 1 of 2 members .*{other[2:]}"
    ):
        remove_masters(PlainSteps(world.clock), cluster, leaving)
    assert len(masters(world)) == len(world.members) == 3
    with pytest.raises(QuorumAtRisk, match=rf"no master can join .* {other[2:]}|{other[2:]}"):
        world.scale(5, group=MASTERS)
    assert len(world.members) == 3


def test_no_second_cluster_begins_while_the_first_master_is_off(world: World) -> None:
    world.provision(spec=ONE)
    [first] = masters(world)
    world.break_next(2)
    with pytest.raises(ClusterError, match="the disk is full"):
        world.provision(spec=THREE)
    world.broken.clear()
    world.stop(first)
    with pytest.raises(ClusterError, match=rf"master {first} .* it is stopped; start it"):
        world.provision(spec=THREE)
    world.start(first)
    world.provision(spec=THREE)
    check_whole(world)


def test_masters_without_a_quorum_are_not_replaced(world: World) -> None:
    world.provision(spec=THREE)
    one, other, _ = sorted(masters(world))
    world.stop(one)
    world.stop(other)
    with pytest.raises(ClusterError, match="does not answer"):
        repair(world)
    with pytest.raises(ClusterError):
        world.provision(spec=THREE)
    assert set(world.members.values()) == masters(world)
    assert len(masters(world)) == 3


@pytest.mark.parametrize("count", [0, 2, 4])
def test_numbers_of_masters_that_are_not_safe_are_refused(world: World, count: int) -> None:
    world.provision(spec=ONE)
    with pytest.raises(InvalidSpec, match="use 1, 3 or 5 masters"):
        wanted_change(world.open(), MASTERS, count, ())
    one = min(masters(world))
    with pytest.raises(InvalidSpec, match="use 1, 3 or 5 masters"):
        wanted_change(world.open(), MASTERS, None, (one,))
