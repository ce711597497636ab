"""A create that acts long after it was given up and sent again: then two of ours exist."""

from contextlib import suppress

from domain.cloud.known import CHANGES
from tests.flows.runbooks.test_crashes import RUNS, undisturbed, until_done
from tests.flows.runbooks.world import Killed, Strike, Way, World, new_world

LATER_THAN_ANY_LOOK = 170
"""Seconds; a run looks for 150 s before it sends a create again."""

CREATES = sorted(
    name
    for name in CHANGES
    if name.startswith("create_") or name in ("allocate_eip", "run_instances")
)


def places(changes: list[str]) -> list[tuple[int, str]]:
    return [(at, name) for at, name in enumerate(changes, start=1) if name in CREATES]


def doubled(world: World, at: int) -> None:
    """Provision, with one create that acts twice: a run sends it again before it acts."""
    until_done(world, RUNS["provision"][0], Strike(at, Way.LATE, late=LATER_THAN_ANY_LOOK))
    world.clock.sleep(LATER_THAN_ANY_LOOK)


def test_provision_keeps_one_of_two_and_removes_the_other() -> None:
    changes, expected = undisturbed(*RUNS["provision"])
    assert {name for _, name in places(changes)} == set(CREATES)
    for at, name in places(changes):
        with new_world() as world:
            doubled(world, at)
            world.provision()
            if name == "run_instances":
                world.scale(2)  # nodes are removed by scale alone
            assert world.state() == expected, f"{name}, change {at}"


def test_teardown_removes_both() -> None:
    changes, _ = undisturbed(*RUNS["provision"])
    for at, name in places(changes):
        with new_world() as world:
            doubled(world, at)
            world.teardown()
            assert world.resources() == {}, f"{name}, change {at}"


def test_teardown_waits_for_a_create_of_a_run_that_was_killed() -> None:
    changes, _ = undisturbed(*RUNS["provision"])
    for at, name in places(changes):
        with new_world() as world:
            with suppress(Killed):
                world.provision(Strike(at, Way.KILLED))
            world.teardown()
            world.let_late_calls_act()
            assert world.resources() == {}, f"{name}, change {at}"
