"""The shell in which the tour types: its folder, its environment, and how its commands end."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import as_file
from pathlib import Path
from shutil import copytree

from blocks.settings import environment_with
from deployments.tour.steps import FILES, Command
from domain.kernel.errors import BadRequest, FinalError

EVERY = 15
"""Seconds until a command is typed again that has not printed yet what is waited for."""

MOST_TIMES = 12
EXPORT = re.compile(r"export (\w+)=(.*)")
LOCAL_CLOUD = (sys.executable, "-m", "localcloud")


class CommandFailed(FinalError):
    """A command of the tour ended with another exit code than 0."""

    def __init__(self, line: str, code: int) -> None:
        super().__init__(f"{line}: exit code {code}")
        self.code = code


@dataclass
class Shell:
    """Types commands in a folder, with the local cloud as the only account.

    Attributes:
        again: told the seconds of a pause before a command is typed again.
    """

    folder: Path
    again: Callable[[int], None]
    variables: dict[str, str] = field(default_factory=dict)

    def open(self) -> None:
        """Make the folder with its files, and start the local cloud or find the running one.

        Raises:
            BadRequest: the local cloud does not start.
        """
        with as_file(FILES) as shipped:
            copytree(shipped, self.folder, dirs_exist_ok=True)
        self._localcloud("up")
        self.variables |= json.loads(self._localcloud("env", "--json"))
        self.variables["KUBECONFIG"] = str(self.folder / "demo.kubeconfig")

    def cloud_is_empty(self) -> bool:
        return not json.loads(self._localcloud("status", "--json"))["resources"]

    def type(self, command: Command) -> None:
        """Run a command; what it prints goes where the tour's own words go.

        Raises:
            CommandFailed: it ended with another exit code than 0, or never printed what it should.
        """
        if exported := EXPORT.fullmatch(command.line):
            self.variables[exported[1]] = exported[2].replace("$PWD", str(self.folder))
        elif command.until:
            self._type_until(command)
        else:
            self._run(command.line)

    def _type_until(self, command: Command) -> None:
        for number in range(MOST_TIMES):
            if number:
                self.again(EVERY)
                time.sleep(EVERY)
            printed = self._run(command.line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            sys.stderr.write(printed)
            if command.until in printed:
                return
        raise CommandFailed(command.line, 1)

    def _run(self, line: str, *, stdout: int | None = None, stderr: int | None = None) -> str:
        """Run a line to its end, also after Ctrl-C, which it hears itself. Returns: its output."""
        process = subprocess.Popen(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
        try:
            printed, _ = process.communicate()
        except KeyboardInterrupt:
            process.communicate()
            raise
        text = (printed or b"").decode(errors="replace")
        if process.returncode:
            sys.stderr.write(text)
            raise CommandFailed(line, process.returncode)
        return text

    def _environment(self) -> Mapping[str, str]:
        """The user's environment, where our commands are found, and no other server."""
        kept = environment_with(self.variables)
        for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING"):
            kept.pop(name, None)
        return kept | {"PATH": f"{Path(sys.executable).parent}:{kept.get('PATH', '')}"}

    def _localcloud(self, *words: str) -> str:
        done = subprocess.run(
            [*LOCAL_CLOUD, *words],
            env=environment_with({}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            reason = done.stderr.strip().removeprefix("Error: ")
            raise BadRequest(f"the local cloud does not start: {reason}")
        return done.stdout
