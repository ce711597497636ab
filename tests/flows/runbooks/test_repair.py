"""Broken machines are replaced on request: the same notion of broken as the autoscaler's."""

from dataclasses import replace

import pytest

from domain.autoscaling.memory.keeping import keep_memory
from domain.autoscaling.memory.memory import Memory
from domain.kernel.errors import FinalError
from domain.kernel.names import NODES
from flows.runbooks.repair import repair, repair_groups
from tasks.cases import Input
from tasks.cluster import Cluster
from tasks.executors import PlainSteps
from tasks.metrics import need_machines
from tasks.overview import need_spec
from tasks.repairs import find_repairs
from tasks.runs import only_run
from tests.flows.runbooks.world import SPEC, World


def workers(world: World) -> set[str]:
    return {machine.id for machine in world.machines() if machine.name.endswith(NODES)}


def read(cluster: Cluster) -> Input:
    return Input(cluster.wanting(need_spec(cluster)), need_machines(cluster))


def repair_once(world: World, *, force: bool = False) -> dict[str, str | None]:
    """Judge and repair as the flow does. Returns: by machine, why it stays."""
    cluster = world.open()
    with only_run(cluster):
        repairs = find_repairs(read(cluster), force=force)
        repair_groups(PlainSteps(world.clock), repairs)
    leaving = (one for repair in repairs.groups for one in repair.leaving)
    return {one.name: one.why for one in repairs.staying} | {one.name: None for one in leaving}


def test_two_of_ten_are_replaced(world: World) -> None:
    world.provision(spec=SPEC.with_count(NODES, 10))
    before = workers(world)
    broken = sorted(before)[:2]
    for machine in broken:
        world.stop(machine)
    assert repair_once(world) == dict.fromkeys(broken)
    assert len(workers(world)) == len(world.ready_workers()) == 10
    assert before - workers(world) == set(broken)


def test_six_of_ten_stay_unless_it_is_forced(world: World) -> None:
    world.provision(spec=SPEC.with_count(NODES, 10))
    before = workers(world)
    for machine in sorted(before)[:6]:
        world.stop(machine)
    reasons = set(repair_once(world).values())
    assert all(why and "6 of 10" in why for why in reasons), reasons
    assert workers(world) == before
    assert set(repair_once(world, force=True).values()) == {None}
    assert len(before & workers(world)) == 4
    assert len(world.ready_workers()) == 10


def test_an_exempt_machine_stays_and_is_named(world: World) -> None:
    world.provision()
    [machine, _] = sorted(workers(world))
    world.stop(machine)
    policy = {"preset": "pending", "exempt": [machine]}
    world.provision(spec=SPEC.model_validate({**SPEC.model_dump(mode="json"), "scaling": policy}))
    assert "exempt" in (repair_once(world)[machine] or "")
    assert machine in workers(world)


def test_a_machine_that_serves_again_is_not_removed(world: World) -> None:
    world.provision()
    found = read(world.open())
    with pytest.raises(FinalError, match="not broken any more"):
        repair(PlainSteps(world.clock), found.cluster, NODES, found.machines.nodes[:1])
    assert len(workers(world)) == 2


def test_what_the_autoscaler_waits_for_does_not_hold_a_person_up(world: World) -> None:
    world.provision()
    [machine, _] = sorted(workers(world))
    world.stop(machine)
    api = world.open().api()
    keep_memory(api, NODES, replace(Memory(), broken_since={}))
    assert repair_once(world) == {machine: None}
