"""`status` names what a run has left that failed in the middle, and nothing once it is finished."""

from contextlib import suppress

import pytest

from domain.kernel.errors import ClusterError
from domain.reports.unfinished import Unfinished
from tasks.control_plane import find_spec
from tasks.overview import read_unfinished
from tests.flows.runbooks.world import Strike, Way, World, new_world

EACH = 7
"""Every seventh change is struck."""

CHANGES = {"provision": 44, "out": 15, "in": 10, "teardown": 20}


def run(world: World, name: str, strike: Strike | None = None) -> None:
    match name:
        case "provision":
            world.provision(strike)
        case "out":
            world.scale(4, strike)
        case "in":
            world.scale(1, strike)
        case _:
            world.teardown(strike)


def unfinished(world: World) -> list[Unfinished]:
    """What is not finished, except the tag, which is for people."""
    cluster = world.open()
    found = read_unfinished(cluster, find_spec(cluster), api_ready=world.api_answers)
    return [one for one in found if not one.resource.startswith("tag ")]


def state(world: World) -> dict[str, object]:
    resources = world.resources()
    resources.pop("tag", None)
    return world.state() | {"resources": resources}


@pytest.mark.parametrize("name", CHANGES)
def test_status_names_what_a_failed_run_has_left(name: str) -> None:
    for at in range(1, CHANGES[name], EACH):
        with new_world() as world:
            if name != "provision":
                world.provision()
            before, strike = state(world), Strike(at, Way.FINAL)
            with suppress(ClusterError):
                run(world, name, strike)
            left = state(world)
            found = unfinished(world)
            run(world, name)
            finished = state(world)
            where = f"struck at change {at}, {strike.changes[at - 1 : at]}"
            if left not in (before, finished):
                assert found, where
                assert all("--name demo" in one.command for one in found)
            assert unfinished(world) == [], where
