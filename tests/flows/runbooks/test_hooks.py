"""Scripts of one group that run when a machine of another comes or goes."""

from typing import Any

import pytest

from domain.kernel.names import MASTERS, NODES
from domain.node.scripts import RUN, ScriptFailed
from domain.node.shell import Output
from domain.spec.cluster import ClusterSpec, changed
from tests.flows.runbooks.test_crashes import until_done
from tests.flows.runbooks.world import SPEC, Strike, Way, World, new_world


def with_hooks(*hooks: dict[str, Any], count: int = 2) -> ClusterSpec:
    full = [{"name": hook["when"], "script": "date", **hook} for hook in hooks]
    return changed(SPEC, {"hooks": full, "nodes": {"count": count}})


class Scripts:
    """The scripts that machines of a world have run."""

    def __init__(self, world: World, fails: str = "") -> None:
        self.ran: list[dict[str, str]] = []
        self.fails = fails
        ordinary = world.run

        def run(address: str, argv: Any) -> Output:
            if argv[2] != RUN:
                return ordinary(address, argv)
            self.ran.append(dict(word.split("=", 1) for word in argv[5:]))
            self.ran[-1]["on"] = world.at(address).name
            code = 3 if self.fails and self.ran[-1]["HOOK_EVENT"] == self.fails else 0
            return Output("the registry does not answer\n" if code else "", "", code)

        world.run = run  # type: ignore[method-assign]

    def of(self, event: str) -> list[str]:
        return [one["HOOK_MACHINE"] for one in self.ran if one["HOOK_EVENT"] == event]


def workers(world: World) -> set[str]:
    return {machine.id for machine in world.machines() if machine.name.endswith(NODES)}


def test_a_master_is_notified_once_of_each_node_that_comes_and_goes(world: World) -> None:
    scripts = Scripts(world)
    spec = with_hooks({"when": "added"}, {"when": "removed"})
    world.provision(spec=spec)
    first = workers(world)
    assert sorted(scripts.of("added")) == sorted(first)
    assert {one["on"] for one in scripts.ran} == {f"k8s.demo.{MASTERS}"}
    assert {one["HOOK_NODE"] for one in scripts.ran} == set(world.nodes) - {
        one.name for one in world.nodes.values() if one.labels["k8s-qingcloud/group"] == MASTERS
    }
    world.provision(spec=spec)
    world.scale(3)
    assert sorted(scripts.of("added")) == sorted(workers(world))
    world.scale(1)
    assert sorted(scripts.of("removed")) == sorted(set(scripts.of("added")) - workers(world))


def test_a_hook_that_fails_stops_the_run_and_the_next_one_continues(world: World) -> None:
    scripts = Scripts(world, fails="added")
    spec = with_hooks({"when": "added"})
    with pytest.raises(ScriptFailed, match=r"hook added for i-.*the registry does not answer"):
        world.provision(spec=spec)
    assert len(scripts.ran) == 1
    scripts.fails = ""
    world.provision(spec=spec)
    assert set(scripts.of("added")) == workers(world)


def test_a_machine_whose_hook_fails_stays_and_takes_pods_again(world: World) -> None:
    scripts = Scripts(world, fails="removed")
    world.provision(spec=with_hooks({"when": "removed"}))
    with pytest.raises(ScriptFailed, match="hook removed"):
        world.scale(1)
    assert len(workers(world)) == 2
    assert all(node.schedulable for node in world.nodes.values())
    scripts.fails = ""
    world.scale(1)
    assert len(workers(world)) == 1


def test_with_the_other_policy_the_run_goes_on(world: World) -> None:
    hooks = [{"when": when, "on_failure": "go on"} for when in ("added", "removed")]
    scripts = Scripts(world, fails="added")
    world.provision(spec=with_hooks(*hooks))
    assert len(scripts.of("added")) == 2
    scripts.fails = "removed"
    world.scale(1)
    assert len(workers(world)) == 1
    assert len(scripts.of("added")) == 2  # a removal adds nothing
    scripts.fails = ""
    world.scale(2)
    assert len(scripts.of("added")) == 4  # tried again for the one that stayed


def test_a_run_that_is_killed_anywhere_around_a_hook_leaves_none_out() -> None:
    spec = with_hooks({"when": "added"}, count=2)

    def add_hook(world: World, strike: Strike | None) -> None:
        world.provision(strike, spec)

    with new_world() as world:
        world.provision()
        Scripts(world)
        counting = Strike()
        add_hook(world, counting)
        changes = len(counting.changes)
    for at in range(1, changes + 1):
        with new_world() as world:
            world.provision()
            scripts = Scripts(world)
            until_done(world, add_hook, Strike(at, Way.KILLED))
            assert set(scripts.of("added")) == workers(world), f"killed at {at}"
