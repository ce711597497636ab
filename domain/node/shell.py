"""The calls of a shell on a machine that the product makes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Output:
    """A finished command: its decoded output and its exit code."""

    stdout: str
    stderr: str
    exit_code: int


class Shell(Protocol):
    """One machine reached over SSH, as root (through sudo where the image's user is another)."""

    def run(
        self,
        argv: Sequence[str],
        *,
        deadline: float,
        stdin: bytes = b"",
        on_line: Callable[[str], None] | None = None,
    ) -> Output:
        """Run one command to its end.

        `on_line` gets each line of both streams when it arrives. `deadline` is in seconds from now.

        Raises:
            TemporaryError: the connection broke; the command may still be running.
            WaitTimedOut: the deadline passed; the command was stopped.
        """
        ...

    def write_file(self, path: str, content: bytes, mode: int) -> None:
        """Write a file so that it never exists with the content and a wider mode."""
        ...
