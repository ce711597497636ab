"""The pinning of a machine's host key, cut off anywhere and as often as it likes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count, product
from typing import cast

import pytest

from clients.ssh import SshMachine, SshTarget
from domain.cloud.endpoints import Endpoints
from domain.cloud.records import Instance, InstanceStatus
from domain.kernel.errors import ClusterError, HostKeyMismatch, TemporaryError
from domain.node.shell import Output
from domain.secrets.credentials import make_credentials
from domain.secrets.hostkeys import MAKE_OWN_HOST_KEY
from domain.secrets.pki import make_ssh_keypair
from domain.spec.cluster import ClusterSpec
from tasks.cluster import Cluster
from tasks.shells import pin_host_key
from tests.domain.clocks import JumpingClock
from tests.memory_vault import MemoryVault
from tests.tasks.handles import make_cluster

MASTER = Instance(
    "i-master",
    "k8s.demo.k8s-master",
    InstanceStatus.RUNNING,
    "",
    "vxnet-1",
    "192.168.1.2",
    "noble",
    "s1",
    2,
    4096,
    "sg-1",
    (),
    datetime(2026, 1, 1, tzinfo=UTC),
)
FIRST = make_ssh_keypair().public_key
WAYS = ("well", "request lost", "reply lost")


class Machine:
    """A machine as the two scripts leave it; a command may be cut off before or after it acts."""

    def __init__(self, ways: Sequence[str]) -> None:
        self.present, self.next = FIRST, ""
        self._ways = iter(ways)
        self._numbers = count(1)

    def connect(self, target: SshTarget, **_: object) -> SshMachine:
        if self.present not in target.host_keys:
            raise HostKeyMismatch("another key")
        self.host_key = self.present
        return cast(SshMachine, self)

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_: object) -> None: ...

    is_open = True

    def run(self, argv: Sequence[str], *, deadline: float) -> Output:
        way = next(self._ways, "well")
        if way == "request lost":
            raise TemporaryError("the connection was lost")
        done = self._act(argv[2])
        if way == "reply lost":
            raise TemporaryError("the connection was lost")
        return Output(done, "", 0)

    def _act(self, script: str) -> str:
        if script == MAKE_OWN_HOST_KEY:
            self.next = self.next or make_ssh_keypair().public_key
            return self.next
        self.present, self.next = self.next or self.present, ""
        return ""


def until_pinned(cluster: Cluster, ways: Sequence[str]) -> str:
    for _ in range(10):
        try:
            return pin_host_key(cluster, MASTER)
        except ClusterError:
            continue
    raise AssertionError(f"ten runs did not suffice after {', '.join(ways)}")


@pytest.mark.pure
def test_key_is_pinned_whatever_was_cut_off_before() -> None:
    credentials = make_credentials("demo", datetime.now(UTC)).with_first(FIRST)
    endpoints = Endpoints("198.51.100.7", "192.168.1.9", 8080, 8443, 10022, MASTER.id)
    for ways in product(WAYS, repeat=4):
        machine, vault, clock = Machine(ways), MemoryVault(), JumpingClock()
        vault.save(credentials)
        cluster = make_cluster(ClusterSpec(), vault=vault, clock=clock)
        cluster.connect_ssh = machine.connect
        cluster = cluster.at(endpoints, {"k8s-master": "root"})
        assert until_pinned(cluster, ways) == machine.present
