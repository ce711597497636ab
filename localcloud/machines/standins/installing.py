"""What apt-get and dnf share: which versions are meant, and what installing them does."""

from collections.abc import Iterable

from localcloud.machines import repositories
from localcloud.machines.context import MachineContext
from localcloud.machines.standins.call import Call


class NotServed(LookupError):
    """No source has the package, or not in that version; `pattern` is empty where any would do."""

    def __init__(self, name: str, pattern: str, *, is_known: bool) -> None:
        super().__init__(name)
        self.name = name
        self.pattern = pattern
        self.is_known = is_known


def choose(context: MachineContext, wanted: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Find the newest versions that fit the patterns, and those of what they depend on.

    Raises:
        NotServed: the sources, as they were read last, have none.
    """
    chosen: dict[str, str] = {}
    for name, pattern in wanted:
        versions = repositories.versions_of(name, context.state.sources, context.system)
        version = repositories.choose_version(name, pattern, versions)
        if version is None:
            raise NotServed(name, pattern, is_known=bool(versions))
        chosen[name] = version
        for needed in repositories.DEPENDENCIES.get(name, ()):
            found = repositories.versions_of(needed, context.state.sources, context.system)
            chosen.setdefault(needed, found[-1])
    return chosen


async def install(call: Call, chosen: dict[str, str]) -> None:
    """Install what is not there in its version yet."""
    context = call.context
    fresh = {
        n: version for n, version in chosen.items() if context.state.packages.get(n) != version
    }
    if not fresh:
        await call.out(f"0 upgraded, 0 newly installed ({', '.join(chosen)} already there).")
        return
    await context.shared.clock.sleep(context.shared.profile.install_package)
    for name, version in fresh.items():
        await call.out(f"Setting up {name} ({version}) ...")
    await call.machine.add_packages(fresh)
