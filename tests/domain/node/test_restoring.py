"""The scripts that put etcd back on a master, cut off anywhere and repeated; bash runs them."""

import os
import subprocess
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import pytest

from domain.kernel.errors import CommandFailed, TemporaryError
from domain.node import restoring
from domain.node.fetching import PART, fetch_file
from domain.node.shell import Output

pytestmark = pytest.mark.local

CRICTL = """#!/bin/sh
[ -e "$SYSROOT/stuck" ] && { echo c0ffee; exit; }
[ -e "$SYSROOT/etc/kubernetes/manifests/etcd.yaml" ] && echo c0ffee
exit 0
"""
MANIFESTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


class Master:
    """A folder as a master's disk, whose shell is bash."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("bin", "etc/kubernetes/manifests", "var/lib/etcd/member"):
            (root / folder).mkdir(parents=True)
        crictl, sleep = root / "bin/crictl", root / "bin/sleep"
        crictl.write_text(CRICTL)
        sleep.write_text("#!/bin/sh\n")
        for file in (crictl, sleep):
            file.chmod(0o755)
        for name in MANIFESTS:
            (root / f"etc/kubernetes/manifests/{name}.yaml").write_text(name)
        (self.data / "member/db").write_text("old")

    @property
    def data(self) -> Path:
        return self.root / "var/lib/etcd"

    def prepare(self) -> None:
        new = self.data / "k8s-qingcloud-restored/member"
        new.mkdir(parents=True)
        (new / "db").write_text("new")

    def run(
        self, argv: Sequence[str], *, deadline: float, stdin: bytes = b"", **_: object
    ) -> Output:
        path = f"{self.root}/bin:{os.environ['PATH']}"
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            timeout=deadline,
            env={"PATH": path, "SYSROOT": str(self.root)},
            check=False,
        )
        return Output(done.stdout.decode(), done.stderr.decode(), done.returncode)

    def write_file(self, path: str, content: bytes, mode: int) -> None:
        (self.root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path.lstrip("/")).write_bytes(content)

    def state(self) -> tuple[str, list[str], list[str]]:
        """What etcd would read, the running manifests, and what else is in its folder."""
        files = self.root.glob("etc/kubernetes/manifests/*.yaml")
        rest = [one.name for one in self.data.iterdir() if one.name != "member"]
        return (
            (self.data / "member/db").read_text(),
            sorted(one.stem for one in files),
            sorted(rest),
        )


@pytest.fixture
def master(tmp_path: Path) -> Master:
    return Master(tmp_path)


BEFORE = "k8s-qingcloud-before"
STEPS: dict[str, Callable[[Master], None]] = {
    "stop": restoring.stop,
    "swap": lambda master: restoring.swap(master, {}),
    "start": restoring.start,
}


def test_the_new_data_are_in_place_and_the_old_ones_kept(master: Master) -> None:
    master.prepare()
    assert not restoring.is_unfinished(master)
    restoring.stop(master)
    assert restoring.is_unfinished(master)
    assert master.state()[1] == []
    restoring.swap(master, {"sa.key": "PEM"})
    restoring.start(master)
    assert master.state() == ("new", sorted(MANIFESTS), [BEFORE])
    assert (master.root / "etc/kubernetes/pki/sa.key").read_text() == "PEM"
    assert (master.data / BEFORE / "db").read_text() == "old"
    assert not restoring.is_unfinished(master)


def test_each_step_may_be_repeated(master: Master) -> None:
    master.prepare()
    for step in chain.from_iterable((one, one) for one in STEPS.values()):
        step(master)
    assert master.state() == ("new", sorted(MANIFESTS), [BEFORE])


@pytest.mark.parametrize("last", list(STEPS))
def test_after_any_step_the_way_back_is_open(master: Master, last: str) -> None:
    master.prepare()
    for name, step in STEPS.items():
        step(master)
        if name == last:
            break
    restoring.go_back(master)
    assert master.state() == ("old", sorted(MANIFESTS), [])
    restoring.go_back(master)
    assert master.state()[0] == "old"


def test_a_swap_that_was_cut_off_between_its_two_moves_is_finished_or_undone(
    master: Master,
) -> None:
    master.prepare()
    restoring.stop(master)
    (master.data / "member").rename(master.data / BEFORE)
    restoring.swap(master, {})
    assert master.state()[0] == "new"
    restoring.go_back(master)
    assert master.state() == ("old", sorted(MANIFESTS), [])


def test_a_control_plane_that_does_not_stop_is_named(master: Master) -> None:
    (master.root / "stuck").touch()
    with pytest.raises(CommandFailed, match="still runs"):
        restoring.stop(master)


def test_a_file_is_fetched_in_parts_and_its_sum_is_checked(master: Master, tmp_path: Path) -> None:
    content = bytes(range(256)) * (PART // 256) + b"the rest"
    master.write_file("/var/lib/snapshot", content, 0o600)
    sha256 = subprocess.run(
        ["sha256sum", tmp_path / "var/lib/snapshot"], capture_output=True, text=True, check=True
    ).stdout.split()[0]
    fetched = tmp_path / "fetched"
    with fetched.open("wb") as target:
        fetch_file(master, "/var/lib/snapshot", len(content), sha256, target)
    assert fetched.read_bytes() == content
    with fetched.open("wb") as target, pytest.raises(TemporaryError, match="changed on its way"):
        fetch_file(master, "/var/lib/snapshot", len(content), "0" * 64, target)
