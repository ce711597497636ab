"""Machines for tests: a private network, one login key, and short ways to run commands."""

import asyncio
import shlex
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from localcloud.clock import Clock, WallClock
from localcloud.fabric import Fabric
from localcloud.kubernetes.planes import Plane, Planes, hash_of_ca
from localcloud.machines.host import Machines
from localcloud.machines.machine import Machine
from localcloud.parts import MachineSpec, Userdata
from localcloud.profiles import PROFILES

VPC = "rtr-lab"
OUTSIDE = "192.168.0.1"  # the router: the source of connections
MASTER, NODE = "192.168.0.2", "192.168.0.3"
TOKEN = "abcdef.0123456789abcdef"
ENDPOINT = "k8s-api.demo.internal:6443"
MASTER_SCRIPT, NODE_SCRIPT = "k8s_master_installer.sh", "k8s_node_installer.sh"
INSTALLERS = Path(__file__).resolve().parents[3] / "installers"
LOGIN = asyncssh.generate_private_key("ssh-ed25519")
LOGIN_LINE = LOGIN.export_public_key().decode().strip()
PATIENCE = 90.0  # seconds after which a test has hung

Result = TypeVar("Result")


def run(story: Coroutine[Any, Any, Result]) -> Result:
    """Run a test's coroutine to its end, or fail when it hangs."""
    return asyncio.run(asyncio.wait_for(story, PATIENCE))


def make_machine_spec(
    instance_id: str = "i-one",
    address: str = MASTER,
    *,
    system: str = "ubuntu 24.04",
    user: str = "root",
    userdata: Userdata | None = None,
    vcpus: int = 2,
    memory_mib: int = 4096,
) -> MachineSpec:
    os_id, os_version = system.split()
    return MachineSpec(
        instance_id=instance_id,
        hostname=instance_id,
        vpc=VPC,
        address=address,
        image_id="img-lab",
        os_id=os_id,
        os_version=os_version,
        login_user=user,
        authorized_keys=(LOGIN_LINE,),
        userdata=userdata,
        vcpus=vcpus,
        memory_mib=memory_mib,
    )


class Lab:
    """Machines, and the operations of tests on them."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.root = root
        self.fabric = Fabric()
        self.planes = Planes(clock, PROFILES["instant"])
        self.machines = Machines(root, self.fabric, clock, PROFILES["instant"], self.planes)
        self._connections: list[asyncssh.SSHClientConnection] = []

    async def boot(self, spec: MachineSpec) -> Machine:
        await self.machines.boot(spec)
        return self.machines.find(spec.instance_id)

    def disk(self, instance_id: str) -> Path:
        return self.root / instance_id / "disk"

    async def connect(
        self, address: str = MASTER, *, user: str = "root", key: asyncssh.SSHKey = LOGIN
    ) -> asyncssh.SSHClientConnection:
        connection = await asyncssh.connect(
            "machine",
            sock=self.fabric.dial(VPC, OUTSIDE, address, 22),
            username=user,
            client_keys=[key],
            known_hosts=None,
            config=None,
            agent_path=None,
        )
        self._connections.append(connection)
        return connection

    async def run(
        self, command: str, address: str = MASTER, *, user: str = "root", stdin: str = ""
    ) -> asyncssh.SSHCompletedProcess:
        connection = await self.connect(address, user=user)
        return await connection.run(command, input=stdin)

    async def wait_for_line(self, instance_id: str, path: str, line: str, times: int = 1) -> None:
        """Wait until a file of a machine has a line that often, as a script beside us writes it."""
        file = self.disk(instance_id) / path
        while not file.exists() or file.read_text().splitlines().count(line) < times:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    def shorten_pauses(self) -> None:
        """Let scripts retry at once: a `sleep` that does not wait replaces the tool."""
        tool = self.root / ".tools/sleep"
        tool.unlink(missing_ok=True)
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)

    def place_installers(self, instance_id: str) -> None:
        """Put the installers on a disk, as the flows do over SFTP."""
        for source in INSTALLERS.rglob("*"):
            target = self.disk(instance_id) / "opt/installers" / source.relative_to(INSTALLERS)
            if source.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())

    async def install(
        self,
        script: str,
        settings: Mapping[str, str],
        *words: str,
        instance_id: str = "i-one",
        address: str = MASTER,
        user: str = "root",
    ) -> asyncssh.SSHCompletedProcess:
        """Run an installer with these settings, over SSH."""
        self.place_installers(instance_id)
        command = self.installation(script, settings, *words, instance_id=instance_id)
        return await self.run(command, address, user=user)

    def installation(
        self, script: str, settings: Mapping[str, str], *words: str, instance_id: str = "i-one"
    ) -> str:
        """Put the settings on the disk, and return the command of the installer."""
        file = self.disk(instance_id) / "tmp/settings"
        file.touch(mode=0o600)
        file.write_text("".join(f"{k}={shlex.quote(v)}\n" for k, v in settings.items()))
        command = f'bash "$SYSROOT/opt/installers/{script}" --env "$SYSROOT/tmp/settings"'
        return f"{command} {shlex.join(words)}"

    def plane(self, instance_id: str = "i-one") -> Plane:
        certificate = (self.disk(instance_id) / "etc/kubernetes/pki/ca.crt").read_bytes()
        plane = self.planes.find(VPC, hash_of_ca(certificate))
        assert plane is not None
        return plane

    async def close(self) -> None:
        for connection in self._connections:
            connection.abort()
        await self.machines.close()


@asynccontextmanager
async def open_lab(root: Path, clock: Clock | None = None) -> AsyncIterator[Lab]:
    """A lab without machines; everything is removed at the end."""
    lab = Lab(root, clock or WallClock())
    try:
        yield lab
    finally:
        await lab.close()


def master_settings(**changes: str) -> dict[str, str]:
    return {
        "CLUSTER": "demo",
        "NODE_NAME": "k8s-master-one",
        "NODE_IP": MASTER,
        "NODE_LABELS": "k8s-qingcloud/group=k8s-master",
        "API_ENDPOINT": ENDPOINT,
        "JOIN_TOKEN": TOKEN,
        **changes,
    }


def node_settings(**changes: str) -> dict[str, str]:
    return {
        "NODE_NAME": "k8s-node-two",
        "NODE_IP": NODE,
        "NODE_LABELS": "k8s-qingcloud/group=k8s-node",
        "API_ENDPOINT": ENDPOINT,
        "API_ADDRESS": MASTER,
        **changes,
    }
