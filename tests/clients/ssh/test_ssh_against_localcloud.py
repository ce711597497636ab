"""The client against the local cloud's machines: first contact, own host key, jump host, files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.ssh import SshMachine, SshTarget
from domain.kernel.errors import HostKeyMismatch, TemporaryError
from domain.secrets.hostkeys import MAKE_OWN_HOST_KEY, USE_OWN_HOST_KEY, parse_host_key
from domain.secrets.pki import SshKeyPair, make_ssh_keypair
from domain.secrets.userdata import build_userdata
from localcloud.clock import WallClock
from localcloud.fabric import Fabric
from localcloud.kubernetes.planes import Planes
from localcloud.machines.host import Machines
from localcloud.parts import MachineSpec, Userdata, UserdataKind
from localcloud.profiles import PROFILES
from tests.clients.ssh.ssh_servers import Loop
from tests.loopback_door import LoopbackDoor

VPC, MASTER, NODE = "rtr-1", "192.168.1.2", "192.168.1.3"
DEADLINE = 20.0


class Site:
    """A VPC with a master whose SSH port is published on loopback, and a node that is not."""

    def __init__(self, loop: Loop, folder: Path, user: str) -> None:
        self.user = user
        self.login, self.first_key = make_ssh_keypair(), make_ssh_keypair()
        self._loop, self._fabric = loop, Fabric()
        self._addresses = {"i-master": MASTER, "i-node": NODE}
        self._machines, self.port = loop.call(self._start(folder))

    async def _start(self, folder: Path) -> tuple[Machines, int]:
        clock, profile = WallClock(), PROFILES["instant"]
        planes = Planes(clock, profile)
        machines = Machines(folder, self._fabric, clock, profile, planes)
        for instance_id in self._addresses:
            await machines.boot(self._spec(instance_id))
        self._door = LoopbackDoor(lambda: self._fabric.dial(VPC, "192.168.1.1", MASTER, 22))
        return machines, await self._door.open()

    def _spec(self, instance_id: str) -> MachineSpec:
        return MachineSpec(
            instance_id=instance_id,
            hostname=instance_id,
            vpc=VPC,
            address=self._addresses[instance_id],
            image_id="img-1",
            os_id="ubuntu",
            os_version="24.04",
            login_user=self.user,
            authorized_keys=(self.login.public_key,),
            userdata=Userdata(UserdataKind.TAR, build_userdata(self.first_key), ""),
            vcpus=2,
            memory_mib=4096,
        )

    def halt(self, instance_id: str) -> None:
        self._loop.call(self._machines.halt(instance_id))

    def boot(self, instance_id: str) -> None:
        self._loop.call(self._machines.boot(self._spec(instance_id)))

    def connect(self, *host_keys: SshKeyPair | str) -> SshMachine:
        return SshMachine.connect(self.target("127.0.0.1", self.port, *host_keys))

    def target(self, address: str, port: int, *host_keys: SshKeyPair | str) -> SshTarget:
        keys = (key if isinstance(key, str) else key.public_key for key in host_keys)
        return SshTarget(address, port, self.user, self.login.private_key, tuple(keys))

    def close(self) -> None:
        async def close() -> None:
            await self._door.close()
            await self._machines.close()

        self._loop.call(close())


@pytest.fixture(params=["root", "ubuntu"])
def site(loop: Loop, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    site = Site(loop, tmp_path, request.param)
    yield site
    site.close()


def make_own_key(machine: SshMachine) -> str:
    made = machine.run(["bash", "-c", MAKE_OWN_HOST_KEY], deadline=DEADLINE)
    assert made.exit_code == 0, made.stderr
    own = parse_host_key(made.stdout)
    used = machine.run(["bash", "-c", USE_OWN_HOST_KEY], deadline=DEADLINE)
    assert used.exit_code == 0, used.stderr
    return own


def test_a_new_machine_is_known_by_its_first_key_and_then_by_its_own(site: Site) -> None:
    with site.connect(site.first_key) as machine:
        own = make_own_key(machine)
        assert machine.run(["true"], deadline=DEADLINE).exit_code == 0
    with site.connect(own, site.first_key) as machine:
        assert machine.host_key == own
    with pytest.raises(HostKeyMismatch):
        site.connect(site.first_key)


def test_a_machine_keeps_its_own_key_when_it_boots_again(site: Site) -> None:
    with site.connect(site.first_key) as machine:
        own = make_own_key(machine)
        site.halt("i-master")
        with pytest.raises(TemporaryError):
            machine.run(["true"], deadline=DEADLINE)
    with pytest.raises(TemporaryError):
        site.connect(own)
    site.boot("i-master")
    with site.connect(own) as machine:
        assert machine.host_key == own


def test_a_node_without_a_public_address_is_reached_through_the_master(site: Site) -> None:
    with (
        site.connect(site.first_key) as master,
        SshMachine.connect(site.target(NODE, 22, site.first_key), jump=master) as node,
    ):
        assert node.run(["hostname"], deadline=DEADLINE).stdout.strip() == "i-node"
        with pytest.raises(TemporaryError, match="cannot be reached"):
            SshMachine.connect(site.target("192.168.1.9", 22, site.first_key), jump=master)


def test_files_lie_where_the_installers_look_for_them(site: Site) -> None:
    with site.connect(site.first_key) as machine:
        machine.write_file("/etc/kubernetes/pki/ca.key", b"key\n", 0o600)
        show = ["bash", "-c", 'cat "$SYSROOT/etc/kubernetes/pki/ca.key"']
        assert machine.run(show, deadline=DEADLINE).stdout == "key\n"
        script = (
            'stat -c %a "$SYSROOT/etc/kubernetes/pki/ca.key" || ls -l "$SYSROOT/etc/kubernetes/pki"'
        )
        seen = machine.run(["bash", "-c", script], deadline=DEADLINE).stdout
    assert seen.startswith("600") or "-rw-------" in seen


def test_both_streams_and_the_exit_code_come_from_real_bash(site: Site) -> None:
    with site.connect(site.first_key) as machine:
        output = machine.run(
            ["bash", "-c", "cat; echo err >&2; exit 7"], deadline=DEADLINE, stdin=b"x" * 300_000
        )
    assert (len(output.stdout), output.stderr, output.exit_code) == (300_000, "err\n", 7)
