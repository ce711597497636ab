"""Shared by apt-get and dnf: choosing versions, and installing them."""

from collections.abc import Iterable

from localcloud.machines import repositories
from localcloud.machines.context import MachineContext
from localcloud.machines.standins.call import Call


class NotServed(LookupError):
    """No source has the package in a version of the pattern; an empty pattern fits all."""

    def __init__(self, name: str, pattern: str, *, is_known: bool) -> None:
        super().__init__(name)
        self.name = name
        self.pattern = pattern
        self.is_known = is_known


def choose(context: MachineContext, wanted: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the newest versions that fit the patterns, with their dependencies.

    Raises:
        NotServed: the sources, as last read, have none.
    """
    chosen: dict[str, str] = {}
    sources, system = context.state.sources, context.system
    faults = context.shared.mirror_faults
    for name, pattern in wanted:
        versions = repositories.versions_of(name, sources, system, faults)
        version = repositories.choose_version(name, pattern, versions)
        if version is None:
            raise NotServed(name, pattern, is_known=bool(versions))
        chosen[name] = version
        for needed in repositories.DEPENDENCIES.get(name, ()):
            found = repositories.versions_of(needed, sources, system, faults)
            chosen.setdefault(needed, found[-1])
    return chosen


async def install(call: Call, chosen: dict[str, str]) -> None:
    """Install packages that are missing in these versions."""
    context = call.context
    installed = context.state.packages
    fresh = {n: version for n, version in chosen.items() if installed.get(n) != version}
    if not fresh:
        await call.out(f"0 upgraded, 0 newly installed ({', '.join(chosen)} already there).")
        return
    await context.shared.clock.sleep(context.shared.profile.install_package)
    for name, version in fresh.items():
        await call.out(f"Setting up {name} ({version}) ...")
    await call.machine.add_packages(fresh)
