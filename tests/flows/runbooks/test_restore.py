"""A restore, struck at each of its changes: in the end the new data serve, or the earlier ones."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.backup.contents import Facts
from domain.backup.labels import Label
from domain.kernel.errors import ClusterError, CommandFailed
from domain.node import restoring
from domain.node.etcd import CALL
from domain.node.shell import Output
from domain.secrets.credentials import make_credentials
from flows.runbooks.restore import restore
from tasks.executors import PlainSteps
from tasks.overview import need_spec
from tasks.restores import Opened, end_unfinished
from tasks.runs import only_run
from tests.flows.runbooks.test_crashes import until_done
from tests.flows.runbooks.world import Strike, Way, World, new_world


class Etcd:
    """The master of a world, as the scripts of a restore change it."""

    def __init__(self, world: World, refuses: str = "") -> None:
        self.data, self.prepared, self.before = "old", "", ""
        self.runs, self.refuses = True, refuses
        self._world, self._ordinary = world, world.run
        world.run = self.run  # type: ignore[method-assign]

    def run(self, address: str, argv: Sequence[str]) -> Output:
        acts: dict[str, Callable[..., str | None]] = {
            CALL: self.call,
            restoring.CLEAR: self.clear,
            restoring.STOP: self.stop,
            restoring.SWAP: self.swap,
            restoring.BACK: self.back,
            restoring.START: self.start,
        }
        act = acts.get(argv[2])
        if argv[2] == restoring.IS_UNFINISHED:
            return Output("", "", 1 if self.runs else 0)
        if act is None:
            return self._ordinary(address, argv)
        name = act.__name__
        if name == self.refuses:
            return Output("", "no space left on device\n", 1)
        return Output(act(*argv[4:]) or "", "", 0)

    def call(self, tool: str, *words: str) -> str:
        if not self.runs:
            raise CommandFailed("no container of etcd runs on this machine", exit_code=1)
        if words[:2] == ("snapshot", "restore"):
            self.prepared = "new"
            return ""
        [master] = [one for one in self._world.machines() if "master" in one.name]
        name = f"k8s-master-{master.id.removeprefix('i-')}"
        urls = [f"https://{master.private_ip}:2380"]
        return json.dumps({"members": [{"ID": 7, "name": name, "peerURLs": urls}]})

    def clear(self, *words: str) -> None:
        self.prepared = ""

    def stop(self, *words: str) -> None:
        self.runs = False

    def swap(self, *words: str) -> None:
        assert not self.runs
        if self.prepared:
            self.before, self.data, self.prepared = self.data, self.prepared, ""

    def back(self, *words: str) -> None:
        assert not self.runs
        if self.before:
            self.data, self.before = self.before, ""
        self.prepared = ""

    def start(self, *words: str) -> None:
        self.runs = True


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    now = datetime.now(UTC)
    label = Label("demo", "demo-test", "pek3", now, "1.36.4", "3.6.6", "ca", 1, 312)
    snapshot = tmp_path / "etcd.db"
    snapshot.write_bytes(b"snapshot")
    return Opened(label, Facts({}, make_credentials("demo", now), {}, ()), snapshot)


def restore_once(world: World, strike: Strike | None, opened: Opened) -> None:
    """Restore as the flow does."""
    cluster = world.open(strike)
    with only_run(cluster):
        end_unfinished(cluster)
    with only_run(cluster):
        wanting = cluster.wanting(need_spec(cluster))
        restore(PlainSteps(world.clock), wanting, opened)


def test_a_restore_replaces_the_data_and_nothing_else(world: World, opened: Opened) -> None:
    world.provision()
    before, etcd = world.state(), Etcd(world)
    restore_once(world, None, opened)
    assert (etcd.data, etcd.before, etcd.runs) == ("new", "old", True)
    assert world.state() == before


@pytest.mark.parametrize("way", [Way.REPLY_LOST, Way.KILLED])
def test_a_restore_that_is_struck_anywhere_is_done_in_the_end(way: Way, opened: Opened) -> None:
    with new_world() as world:
        world.provision()
        expected, counting = world.state(), Strike()
        Etcd(world)
        restore_once(world, counting, opened)
    for at in range(1, len(counting.changes) + 1):
        with new_world() as world:
            world.provision()
            etcd = Etcd(world)
            until_done(world, lambda w, strike: restore_once(w, strike, opened), Strike(at, way))
            assert (etcd.data, etcd.runs, etcd.prepared) == ("new", True, ""), at
            assert world.state() == expected, at


@pytest.mark.parametrize("refuses", ["call", "stop", "swap"])
def test_a_restore_that_fails_leaves_the_earlier_data(
    refuses: str, world: World, opened: Opened
) -> None:
    world.provision()
    before, etcd = world.state(), Etcd(world, refuses)
    with pytest.raises(ClusterError, match="no space left"):
        restore_once(world, None, opened)
    assert etcd.data == "old"
    assert etcd.runs
    assert world.state() == before
