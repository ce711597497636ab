"""One machine: its disk, its services, its SSH server, and its part in a cluster."""

import asyncio
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

import asyncssh

from localcloud.clock import Clock
from localcloud.fabric import Fabric
from localcloud.kubernetes.client import ApiClient
from localcloud.kubernetes.planes import Plane, Planes
from localcloud.machines import disk, kernel, repositories
from localcloud.machines.cluster import ClusterPart
from localcloud.machines.runtime import PACKAGED_CONFIG, Runtime
from localcloud.machines.sandbox import Process, Sandbox
from localcloud.machines.ssh import SSH_PORT, SshServer
from localcloud.machines.standins.door import Door
from localcloud.machines.standins.keys import write_key
from localcloud.machines.standins.table import command_names
from localcloud.machines.state import State
from localcloud.machines.systems import find_system
from localcloud.machines.units import Unit, Units
from localcloud.parts import Birth
from localcloud.profiles import Profile

HOST_KEY = "etc/ssh/ssh_host_ed25519_key"
RC_LOCAL = "etc/rc.local"
_RC_LOCAL_WAIT = 10.0  # seconds that sshd waits for rc.local; a longer one runs on beside it


def erase(folder: Path) -> None:
    """Forget a machine's disk and state."""
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class World:
    """What all machines share."""

    fabric: Fabric
    clock: Clock
    profile: Profile
    planes: Planes
    tools: Path
    door: Door
    kubelet_clients: WeakKeyDictionary[Plane, ApiClient] = field(default_factory=WeakKeyDictionary)


class Machine:
    """A machine that has booted, or may boot again from its folder."""

    def __init__(self, birth: Birth, folder: Path, world: World) -> None:
        self.birth = birth
        self.world = world
        self.folder = folder
        self.disk = folder / "disk"
        self._standins = folder / "commands"
        self.system = find_system(birth.os_id, birth.os_version)
        # A machine that was killed while it was born has no state, and is born again.
        self.is_new = not (folder / "state.json").exists()
        self.state = State.load(folder / "state.json")
        self.sandbox = Sandbox(self.disk, self._standins, world.tools, birth.hostname)
        self.runtime = Runtime(self.disk)
        self.cluster = ClusterPart(self)
        self.ssh = SshServer(self)
        self.units = Units(self.state, self._services())
        self.is_running = False
        self._rc_local: Process | None = None
        self._background: asyncio.Task[None] | None = None

    def _services(self) -> dict[str, Unit]:
        ssh = "ssh" if self.system.packager == "apt" else "sshd"
        return {
            ssh: Unit(restart=self._reload_host_key),
            "sshd": Unit(restart=self._reload_host_key),
            "containerd": Unit(
                package="containerd.io", start=self.runtime.start, stop=self.runtime.stop
            ),
            "kubelet": Unit(
                package="kubelet",
                start=self.cluster.start_kubelet,
                stop=self.cluster.stop_kubelet,
            ),
        }

    # --- power ---------------------------------------------------------------------------------

    async def boot(self) -> None:
        """Start the machine; returns once its SSH server answers.

        Where only the daemon was away, the machine has been up all the time, and goes on.
        """
        self.is_running = True
        goes_on = self.state.runs
        if self.is_new:
            self._be_born()
        self.world.door.admit(self, self._standins, self._commands())
        if not goes_on:
            await self.world.clock.sleep(self.world.profile.boot)
            disk.turn_swap(self.disk, on=True)  # fstab decides
            kernel.start(self.disk)
        self.make_host_key()
        await self.units.start_enabled()
        if not goes_on:
            await self._run_rc_local()
        await self._reload_host_key()
        if self.birth.vpc:
            self.world.fabric.listen(self.birth.vpc, self.birth.address, SSH_PORT, self.ssh.accept)
        self.state.runs = True
        self.save()

    def _be_born(self) -> None:
        disk.lay_out(self.disk, self.birth, self.system)
        for package in repositories.PREINSTALLED.get(self.system.id, ()):
            self.state.packages[package] = "1.0-1"
        self.state.enabled = ["ssh" if self.system.packager == "apt" else "sshd"]
        if self.birth.userdata is not None:
            disk.apply_userdata(self.disk, self.birth.userdata)
        self.save()
        self.is_new = False

    async def _run_rc_local(self) -> None:
        """Run rc.local as systemd's generator does: only if executable, at every boot."""
        script = self.disk / RC_LOCAL
        if not script.is_file() or not script.stat().st_mode & 0o111:
            return
        self._rc_local = await self.sandbox.start([str(script)], user="root")
        self._background = asyncio.create_task(self._log_output(self._rc_local))
        await asyncio.wait({self._background}, timeout=_RC_LOCAL_WAIT)

    async def _log_output(self, process: Process) -> None:
        process.close()
        texts = await asyncio.gather(process.stdout.read(), process.stderr.read())
        (self.disk / "var/log/rc.local.log").write_bytes(b"".join(texts))
        await process.wait()

    async def halt(self) -> None:
        """Power off: connections break, processes die, the disk stays."""
        if not self.is_running:
            return
        self.is_running = False
        self.world.fabric.close(self.birth.vpc, self.birth.address)
        self.world.door.dismiss(self)
        await self.ssh.close()
        if self._rc_local is not None:
            self._rc_local.kill()
        if self._background is not None:
            await asyncio.wait({self._background})
            self._background = self._rc_local = None
        await self.units.stop_all()
        await self.cluster.power_off()
        self.state.runs = False
        self.save()

    async def suspend(self) -> None:
        """Halt because the daemon ends; the next one lets the machine go on."""
        runs = self.state.runs
        await self.halt()
        self.state.runs = runs
        self.save()

    # --- what stand-ins change -----------------------------------------------------------------

    def save(self) -> None:
        if self.folder.exists():
            self.state.save(self.folder / "state.json")

    def read_hostname(self) -> str:
        return (self.disk / "etc/hostname").read_text().strip()

    def resolve(self, name: str) -> str | None:
        """Find the address of a name as the machine does; an address is its own name."""
        if name.replace(".", "").isdigit():
            return name
        return disk.read_hosts(self.disk).get(name)

    def make_host_key(self) -> None:
        """Make an SSH host key where there is none, as the first start of sshd does."""
        file = self.disk / HOST_KEY
        if not file.exists():
            write_key(file, asyncssh.generate_private_key("ssh-ed25519", self.birth.hostname))

    async def _reload_host_key(self) -> None:
        self.ssh.load_host_key(self.disk / HOST_KEY)

    async def add_packages(self, packages: dict[str, str]) -> None:
        """Install: their commands exist from now on; Debian also starts the services."""
        self.state.packages.update(packages)
        self.refresh_commands()
        if "containerd.io" in packages:
            config = self.disk / "etc/containerd/config.toml"
            config.parent.mkdir(parents=True, exist_ok=True)
            if not config.exists():
                config.write_text(PACKAGED_CONFIG)
        if self.system.packager == "apt":
            for unit, package in (("containerd", "containerd.io"), ("kubelet", "kubelet")):
                if package in packages:
                    self.units.enable(unit)
                    await self.units.start(unit)

    def _commands(self) -> list[str]:
        return command_names(self.system.packager, self.state.packages)

    def refresh_commands(self) -> None:
        """Let exactly the commands exist whose packages are installed."""
        self.world.door.set_commands(self._standins, self._commands())
