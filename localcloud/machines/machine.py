"""One machine: its services, and how they start and stop with its power."""

import shlex
from collections.abc import Iterable, Mapping
from typing import Protocol

from localcloud.machines import disk, kernel, repositories
from localcloud.machines.cluster import ClusterPart
from localcloud.machines.context import MachineContext
from localcloud.machines.host_keys import HOST_KEY, ensure_host_key
from localcloud.machines.rc_local import RcLocal
from localcloud.machines.runtime import PACKAGED_CONFIG, Runtime
from localcloud.machines.sandbox import Sandbox
from localcloud.machines.ssh import SSH_PORT, SshServer
from localcloud.machines.units import Unit, Units
from localcloud.parts import Component


class Commands(Protocol):
    """Provides machines with the commands that act on them."""

    def admit(self, machine: "Machine") -> None:
        """Install the commands of a machine and serve them, until `dismiss`."""
        ...

    def refresh(self, machine: "Machine") -> None:
        """Make exactly the commands of the installed packages exist."""
        ...

    async def dismiss(self, machine: "Machine") -> None:
        """Stop serving a machine's commands, and end running ones."""
        ...


class Machine:
    """A machine that has booted, or may boot again from its folder."""

    def __init__(self, context: MachineContext, commands: Commands) -> None:
        self.context = context
        self.sandbox = Sandbox(context)
        self.runtime = Runtime(context.disk)
        self.cluster = ClusterPart(context)
        self.ssh = SshServer(context, self.sandbox)
        self.units = Units(context.state, self._services())
        self.is_running = False
        self._rc_local = RcLocal(self.sandbox)
        self._commands = commands

    def _services(self) -> dict[str, Unit]:
        reload = Unit(restart=self._start_ssh)
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
        return "ssh" if self.context.system.packager == "apt" else "sshd"

    # --- power ---------------------------------------------------------------------------------

    async def boot(self) -> None:
        """Start the machine; return once its SSH server answers.

        After a restart of the daemon alone, the machine counts as running all the time.
        """
        context, shared = self.context, self.context.shared
        self.is_running = True
        resumes = context.state.runs
        if context.is_new:
            self._first_boot()
        self._commands.admit(self)
        if not resumes:
            await shared.clock.sleep(shared.profile.boot)
            disk.turn_swap(context.disk, on=True)  # fstab decides
            kernel.start(context.disk)
            context.booted_at = shared.clock.now()
        ensure_host_key(context.disk, comment=context.spec.hostname)
        await self.units.start_enabled()
        if resumes:
            await self._load_host_key()
        else:
            await self._rc_local.start()
            await self._start_ssh()
        if context.spec.vpc:
            shared.fabric.listen(context.spec.vpc, context.spec.address, SSH_PORT, self.ssh.accept)
        context.state.runs = True
        context.save()

    def _first_boot(self) -> None:
        context = self.context
        disk.lay_out(context.disk, context.spec, context.system)
        for package in repositories.PREINSTALLED.get(context.system.id, ()):
            context.state.packages[package] = "1.0-1"
        context.state.enabled = context.state.enabled or [self._ssh_unit]
        if context.spec.userdata is not None:
            disk.apply_userdata(context.disk, context.spec.userdata)
        context.save()
        context.is_new = False

    async def _start_ssh(self) -> None:
        """Start SSH as its unit says: what its drop-ins name runs before it."""
        units = self.context.disk / "etc/systemd/system"
        for file in sorted(units.glob(f"{self._ssh_unit}.service.d/*.conf")):
            for line in file.read_text(encoding="utf-8").splitlines():
                key, _, command = line.partition("=")
                if key.strip() == "ExecStartPre":
                    await self._run_before(command.strip())
        await self._load_host_key()

    async def _run_before(self, command: str) -> None:
        """Run a command of a unit; only with a leading dash, after which a failure is ignored."""
        path, *arguments = shlex.split(command.removeprefix("-"))
        script = disk.inside(self.context.disk, path)
        if not command.startswith("-"):
            raise ValueError(f"ExecStartPre without a dash is not emulated: {command}")
        if script.is_file() and script.stat().st_mode & 0o111:
            process = await self.sandbox.start([str(script), *arguments], user="root")
            process.stdin.close()
            await process.wait()
            process.close()

    async def _load_host_key(self) -> None:
        self.ssh.load_host_key(self.context.disk / HOST_KEY)

    async def halt(self) -> None:
        """Power off: connections break, processes end, the disk stays."""
        if not self.is_running:
            return
        self.is_running = False
        self.context.shared.fabric.close(self.context.spec.vpc, self.context.spec.address)
        await self._commands.dismiss(self)
        await self.ssh.close()
        await self._rc_local.end()
        await self.units.stop_all()
        await self.cluster.power_off()
        self.context.state.runs = False
        self.context.save()

    async def suspend(self) -> None:
        """Halt because the daemon ends; the next daemon resumes the machine."""
        runs = self.context.state.runs
        await self.halt()
        self.context.state.runs = runs
        self.context.save()

    # --- components that fail ------------------------------------------------------------------

    async def fail(self, component: Component) -> None:
        """Stop a failed component."""
        await self.cluster.fail(component)

    async def recover(self, component: Component) -> None:
        """Start a recovered component, unless its service is stopped."""
        if component is not Component.KUBELET or self.units.is_active("kubelet"):
            await self.cluster.recover(component)

    # --- packages ------------------------------------------------------------------------------

    async def add_packages(self, packages: Mapping[str, str]) -> None:
        """Install versions of packages with their commands; Debian starts the services."""
        self.context.state.packages.update(packages)
        self._commands.refresh(self)
        if "containerd.io" in packages:
            config = self.context.disk / "etc/containerd/config.toml"
            config.parent.mkdir(parents=True, exist_ok=True)
            if not config.exists():
                config.write_text(PACKAGED_CONFIG, encoding="utf-8")
        if self.context.system.packager == "apt":
            for unit, package in (("containerd", "containerd.io"), ("kubelet", "kubelet")):
                if package in packages:
                    self.units.enable(unit)
                    await self.units.start(unit)

    def remove_packages(self, names: Iterable[str]) -> None:
        """Remove packages and their commands; missing ones are accepted."""
        for name in names:
            self.context.state.packages.pop(name, None)
        self._commands.refresh(self)
