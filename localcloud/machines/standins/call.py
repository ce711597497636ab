"""One call of a stand-in: its arguments, its streams, and the machine it acts on."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from localcloud.machines.cluster import ClusterPart
from localcloud.machines.context import MachineContext
from localcloud.machines.disk import inside
from localcloud.machines.runtime import Runtime
from localcloud.machines.units import Units


class Subject(Protocol):
    """The machine of a stand-in: its context, and its services."""

    @property
    def context(self) -> MachineContext: ...
    @property
    def units(self) -> Units: ...
    @property
    def runtime(self) -> Runtime: ...
    @property
    def cluster(self) -> ClusterPart: ...

    async def add_packages(self, packages: Mapping[str, str]) -> None:
        """Install versions of packages; on Debian their services start."""
        ...

    def remove_packages(self, names: Iterable[str]) -> None:
        """Remove packages and their commands."""
        ...


class Failed(Exception):
    """The command prints a sentence on standard error and ends with a code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Call:
    """The argument of a handler. `out`, `err` and `read_stdin` use the calling script's streams."""

    machine: Subject
    name: str
    arguments: list[str]
    folder: Path
    user: str
    environment: Mapping[str, str]
    write: Callable[[str, str], Awaitable[None]]  # stream ("out" or "err"), text
    read_stdin: Callable[[], Awaitable[str]]

    @property
    def context(self) -> MachineContext:
        return self.machine.context

    async def out(self, text: str) -> None:
        """Write one or more whole lines to standard output."""
        await self.write("out", text if text.endswith("\n") else f"{text}\n")

    async def err(self, text: str) -> None:
        """Write one or more whole lines to standard error."""
        await self.write("err", text if text.endswith("\n") else f"{text}\n")

    def path(self, name: str) -> Path:
        """Return the file of a path. Raises `Failed` when it is not on the machine's disk."""
        try:
            return inside(self.context.disk, name, self.folder)
        except PermissionError as error:
            raise Failed(f"{self.name}: {error}") from error

    def need_root(self) -> None:
        if self.user != "root":
            raise Failed(f"{self.name}: Operation not permitted: are you root?")

    def unknown(self, what: str) -> Failed:
        """Return the error for something that this stand-in does not know."""
        return Failed(f"{self.name}: the local cloud's stand-in does not know {what!r}", 2)


Handler = Callable[[Call], Awaitable[int]]


@dataclass
class Arguments:
    """A parsed command line: `options` has the last value of each; of flags an empty one."""

    options: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    repeated: dict[str, list[str]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.options

    def value(self, *names: str, default: str = "") -> str:
        """Return the value of the first of these options that was given."""
        return next((self.options[name] for name in names if name in self.options), default)


def parse_args(
    call: Call,
    *,
    flags: Collection[str] = (),
    options: Collection[str] = (),
    takes_words: bool = True,
) -> Arguments:
    """Parse a command line into flags, options with a value, and words.

    Knows `--name value`, `--name=value`, `-n value` and bundles such as `-fsS`.

    Raises:
        Failed: an argument is in neither list, or is a word where none is accepted.
    """
    taken = Arguments()
    rest = list(call.arguments)
    while rest:
        argument = rest.pop(0)
        name, has_value, value = argument.partition("=")
        if argument == "--":
            taken.words += rest
            break
        if not argument.startswith("-") or argument == "-":
            taken.words.append(argument)
        elif argument in flags:
            taken.options[argument] = ""
        elif argument in options:
            if not rest:
                raise Failed(f"{call.name}: option {argument} needs a value", 2)
            taken.options[argument] = rest.pop(0)
            taken.repeated.setdefault(argument, []).append(taken.options[argument])
        elif has_value and (name in options or name in flags):
            taken.options[name] = value
            taken.repeated.setdefault(name, []).append(value)
        elif not argument.startswith("--") and all(f"-{one}" in flags for one in argument[1:]):
            taken.options.update({f"-{one}": "" for one in argument[1:]})
        else:
            raise call.unknown(argument)
    if taken.words and not takes_words:
        raise call.unknown(" ".join(taken.words))
    return taken
