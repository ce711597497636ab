"""The runbooks of production, struck at every change that they make, in every way.

The request is lost, the reply is lost, the change acts 75 seconds after its time-out, it fails in a
way that passes, or for good. The same run again must end where an undisturbed one ends: nothing
twice, nothing left over.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from domain.kernel.errors import ClusterError
from domain.kernel.names import MASTERS, NODES
from domain.node.install import INSTANCE_LABEL
from domain.spec.cluster import changed
from flows.runbooks.adopt import adopt_machine, release_machine
from flows.runbooks.maintain import renew
from flows.runbooks.repair import repair_groups
from flows.runbooks.rollout import roll_out
from flows.runbooks.upgrade import upgrade
from tasks.adoption import find_released, plan_adoption
from tasks.cases import Input
from tasks.certificates import find_renewals
from tasks.executors import PlainSteps
from tasks.metrics import need_machines
from tasks.overview import need_spec
from tasks.repairs import find_repairs
from tasks.rollouts import find_rollouts
from tasks.runs import only_run
from tasks.upgrades import find_upgrade
from tests.flows.runbooks.world import SPEC, Killed, Strike, Way, World, new_world

Run = Callable[[World, Strike | None], None]


def provision(world: World, strike: Strike | None) -> None:
    world.provision(strike)


def scale_out(world: World, strike: Strike | None) -> None:
    world.scale(4, strike)


def scale_in(world: World, strike: Strike | None) -> None:
    world.scale(1, strike)


def tear_down(world: World, strike: Strike | None) -> None:
    world.teardown(strike)


def add_group(world: World, strike: Strike | None) -> None:
    template = {"labels": {"disk": "ssd"}, "taints": ["fast=true:NoSchedule"]}
    group = {"count": 1, "template": template}
    world.provision(strike, changed(SPEC, {"groups": {"fast": group}}))


def stop_one(world: World, strike: Strike | None) -> None:
    world.stop(min(node.labels[INSTANCE_LABEL] for node in world.ready_workers()))


def repair_broken(world: World, strike: Strike | None) -> None:
    cluster = world.open(strike)
    with only_run(cluster):
        found = Input(cluster.wanting(need_spec(cluster)), need_machines(cluster))
        repair_groups(PlainSteps(world.clock), find_repairs(found))


def another_type(world: World, strike: Strike | None) -> None:
    world.provision(None, SPEC.with_group(NODES, {"template": {"instance_type": "s1.xlarge.r2"}}))


def roll_machines_out(world: World, strike: Strike | None) -> None:
    cluster = world.open(strike)
    with only_run(cluster):
        found = Input(cluster.wanting(need_spec(cluster)), need_machines(cluster))
        roll_out(PlainSteps(world.clock), find_rollouts(found))


def provision_older(world: World, strike: Strike | None) -> None:
    world.provision(None, changed(SPEC, {"kubernetes": {"version": "1.35.9"}}))


def upgrade_all(world: World, strike: Strike | None) -> None:
    cluster = world.open(strike)
    with only_run(cluster):
        found = Input(cluster.wanting(need_spec(cluster)), need_machines(cluster))
        upgrade(PlainSteps(world.clock), find_upgrade(found, "1.36.4"))


def end_soon(world: World, strike: Strike | None) -> None:
    [master] = [machine for machine in world.machines() if "master" in machine.name]
    world.ends[master.id] = datetime.now(UTC) + timedelta(days=10)


def renew_all(world: World, strike: Strike | None) -> None:
    cluster = world.open(strike)
    with only_run(cluster):
        wanting = cluster.wanting(need_spec(cluster))
        renew(PlainSteps(world.clock), wanting, find_renewals(wanting, need_machines(cluster)))


def provision_small(world: World, strike: Strike | None) -> None:
    world.provision(strike, SMALL)


def more_masters(world: World, strike: Strike | None) -> None:
    world.provision(strike, changed(SMALL, {"masters": {"count": 3}}))


def fewer_masters(world: World, strike: Strike | None) -> None:
    world.scale(1, strike, group=MASTERS)


def stop_a_master(world: World, strike: Strike | None) -> None:
    seen = world.open().inventory()
    assert seen.jump_host is not None
    world.stop(seen.jump_host.id)


def create_other(world: World, strike: Strike | None) -> None:
    world.create_other()


def adopt_other(world: World, strike: Strike | None) -> None:
    cluster = world.open(strike)
    with only_run(cluster):
        wanting = cluster.wanting(need_spec(cluster), accept_new_host_keys=True)
        [other] = world.others
        adopt_machine(PlainSteps(world.clock), wanting, plan_adoption(wanting, other, NODES))


def release_other(world: World, strike: Strike | None) -> None:
    cluster = world.open(strike)
    with only_run(cluster):
        wanting = cluster.wanting(need_spec(cluster))
        [other] = world.others
        release_machine(PlainSteps(world.clock), wanting, *find_released(wanting, other))


SMALL = changed(SPEC, {"nodes": {"count": 1}})

RUNS: dict[str, tuple[Run, tuple[Run, ...]]] = {
    "provision": (provision, ()),
    "scale out": (scale_out, (provision,)),
    "scale in": (scale_in, (provision,)),
    "teardown": (tear_down, (provision,)),
    "a further group": (add_group, (provision,)),
    "repair": (repair_broken, (provision, stop_one)),
    "more masters": (more_masters, (provision_small,)),
    "fewer masters": (fewer_masters, (more_masters,)),
    "repair of a master": (repair_broken, (more_masters, stop_a_master)),
    "rollout": (roll_machines_out, (provision, another_type)),
    "upgrade": (upgrade_all, (provision_older,)),
    "renewal of certificates": (renew_all, (provision, end_soon)),
    "adoption": (adopt_other, (provision, create_other)),
    "release": (release_other, (provision, create_other, adopt_other)),
}
"""A run, and those that come before it."""


def undisturbed(run: Run, before: tuple[Run, ...]) -> tuple[list[str], dict[str, object]]:
    """The changes of a run, and what it leaves."""
    with new_world() as world:
        for earlier in before:
            earlier(world, None)
        counting = Strike()
        run(world, counting)
        return counting.changes, world.state()


def until_done(world: World, run: Run, strike: Strike) -> int:
    """Type the command until it ends well. Returns: how often that was."""
    for typed in range(1, 4):
        try:
            run(world, strike)
            return typed
        except (ClusterError, Killed):
            continue
    raise AssertionError("three times did not suffice")


ALIKE = (
    "a further group",
    "repair",
    "rollout",
    "upgrade",
    "renewal of certificates",
    "more masters",
    "fewer masters",
    "repair of a master",
    "adoption",
    "release",
)
"""What these add to the other runs is little, so that they are struck in two ways only."""

KILLED_ONLY = ("more masters", "repair of a master")

POINTS = [
    *((name, way) for name in RUNS if name not in ALIKE for way in Way),
    *((name, Way.REPLY_LOST) for name in ALIKE if name not in KILLED_ONLY),
    *((name, Way.KILLED) for name in ALIKE),
]


@pytest.mark.parametrize(("name", "way"), POINTS, ids=[f"{name}-{way}" for name, way in POINTS])
def test_a_run_that_is_struck_anywhere_converges(name: str, way: Way) -> None:
    run, before = RUNS[name]
    changes, expected = undisturbed(run, before)
    for at in range(1, len(changes) + 1):
        with new_world() as world:
            for earlier in before:
                earlier(world, None)
            typed = until_done(world, run, Strike(at, way))
            world.let_late_calls_act()
            where = f"struck at change {at}, {changes[at - 1]}, {way}"
            assert world.state() == expected, where
            # A token that appears after its deletion was refused or overtaken ends in two hours.
            assert world.tokens() == [] or way in (Way.FINAL, Way.LATE, Way.KILLED), where
            again = (Way.FINAL, Way.KILLED)
            assert typed == 1 or way in again, f"{where}: had to be typed again"


def test_the_runs_change_what_the_documents_say() -> None:
    changes, state = undisturbed(*RUNS["provision"])
    assert state["resources"] == {
        "instance": 3,
        "router": 1,
        "vxnet": 1,
        "eip": 1,
        "loadbalancer": 1,
        "listener": 3,
        "backend": 3,
        "security_group": 2,
        "security_group_rule": 8,
        "router_static": 3,
        "keypair": 1,
        "tag": 1,
    }
    assert changes.count("run_instances") == 2  # one a group
    assert undisturbed(*RUNS["teardown"])[1]["resources"] == {}
