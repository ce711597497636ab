"""One machine: what it is, what runs on it, and how that starts and ends with its power."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from localcloud.machines import disk, kernel, repositories
from localcloud.machines.body import Body
from localcloud.machines.cluster import ClusterPart
from localcloud.machines.host_keys import HOST_KEY, ensure_host_key
from localcloud.machines.rc_local import RcLocal
from localcloud.machines.runtime import PACKAGED_CONFIG, Runtime
from localcloud.machines.sandbox import Sandbox
from localcloud.machines.ssh import SSH_PORT, SshServer
from localcloud.machines.units import Unit, Units
from localcloud.parts import Ailment


class Commands(Protocol):
    """Gives machines the commands that act on them; the host brings it."""

    def admit(self, machine: "Machine") -> None:
        """Let a machine have its commands, and let them act, until `dismiss`."""
        ...

    def refresh(self, machine: "Machine") -> None:
        """Let exactly the commands exist whose packages are installed."""
        ...

    async def dismiss(self, machine: "Machine") -> None:
        """Let its commands act no more, and end those under way."""
        ...


class Machine:
    """A machine that has booted, or may boot again from its folder."""

    def __init__(self, body: Body, commands: Commands) -> None:
        self.body = body
        self.sandbox = Sandbox(body)
        self.runtime = Runtime(body.disk)
        self.cluster = ClusterPart(body)
        self.ssh = SshServer(body, self.sandbox)
        self.units = Units(body.state, self._services())
        self.is_running = False
        self._rc_local = RcLocal(self.sandbox)
        self._commands = commands

    def _services(self) -> dict[str, Unit]:
        reload = Unit(restart=self._load_host_key)
        return {
            self._ssh_unit: reload,
            "sshd": reload,
            "containerd": Unit(
                package="containerd.io", start=self.runtime.start, stop=self.runtime.stop
            ),
            "kubelet": Unit(
                package="kubelet",
                start=self.cluster.start_kubelet,
                stop=self.cluster.stop_kubelet,
            ),
        }

    @property
    def _ssh_unit(self) -> str:
        return "ssh" if self.body.system.packager == "apt" else "sshd"

    # --- power ---------------------------------------------------------------------------------

    async def boot(self) -> None:
        """Start the machine; returns once its SSH server answers.

        Where only the daemon was away, the machine has been up all the time, and goes on.
        """
        body, world = self.body, self.body.world
        self.is_running = True
        goes_on = body.state.runs
        if body.is_new:
            self._be_born()
        self._commands.admit(self)
        if not goes_on:
            await world.clock.sleep(world.profile.boot)
            disk.turn_swap(body.disk, on=True)  # fstab decides
            kernel.start(body.disk)
        ensure_host_key(body.disk, comment=body.birth.hostname)
        await self.units.start_enabled()
        if not goes_on:
            await self._rc_local.run()
        await self._load_host_key()
        if body.birth.vpc:
            world.fabric.listen(body.birth.vpc, body.birth.address, SSH_PORT, self.ssh.accept)
        body.state.runs = True
        body.save()

    def _be_born(self) -> None:
        body = self.body
        disk.lay_out(body.disk, body.birth, body.system)
        for package in repositories.PREINSTALLED.get(body.system.id, ()):
            body.state.packages[package] = "1.0-1"
        body.state.enabled = body.state.enabled or [self._ssh_unit]
        if body.birth.userdata is not None:
            disk.apply_userdata(body.disk, body.birth.userdata)
        body.save()
        body.is_new = False

    async def _load_host_key(self) -> None:
        self.ssh.load_host_key(self.body.disk / HOST_KEY)

    async def halt(self) -> None:
        """Power off: connections break, processes die, the disk stays."""
        if not self.is_running:
            return
        self.is_running = False
        self.body.world.fabric.close(self.body.birth.vpc, self.body.birth.address)
        await self._commands.dismiss(self)
        await self.ssh.close()
        await self._rc_local.end()
        await self.units.stop_all()
        await self.cluster.power_off()
        self.body.state.runs = False
        self.body.save()

    async def suspend(self) -> None:
        """Halt because the daemon ends; the next one lets the machine go on."""
        runs = self.body.state.runs
        await self.halt()
        self.body.state.runs = runs
        self.body.save()

    # --- what fails on it ----------------------------------------------------------------------

    async def fall_ill(self, ailment: Ailment) -> None:
        """Stop what an ailment of the body hits."""
        await self.cluster.fall_ill(ailment)

    async def recover(self, ailment: Ailment) -> None:
        """Start what an ailment had stopped, unless it is meant to stand still."""
        if ailment is not Ailment.KUBELET or self.units.is_active("kubelet"):
            await self.cluster.recover(ailment)

    # --- what package managers change ----------------------------------------------------------

    async def add_packages(self, packages: Mapping[str, str]) -> None:
        """Install versions of packages: their commands exist now; Debian starts the services."""
        self.body.state.packages.update(packages)
        self._commands.refresh(self)
        if "containerd.io" in packages:
            config = self.body.disk / "etc/containerd/config.toml"
            config.parent.mkdir(parents=True, exist_ok=True)
            if not config.exists():
                config.write_text(PACKAGED_CONFIG)
        if self.body.system.packager == "apt":
            for unit, package in (("containerd", "containerd.io"), ("kubelet", "kubelet")):
                if package in packages:
                    self.units.enable(unit)
                    await self.units.start(unit)

    def remove_packages(self, names: Iterable[str]) -> None:
        """Remove packages and their commands; those that are not installed are fine."""
        for name in names:
            self.body.state.packages.pop(name, None)
        self._commands.refresh(self)
