"""Play the article's steps on the local cloud, with a pause at each: `qingcloud-k8s tour`.

The steps and the words are data, in both languages: `steps.yaml` and `words.yaml`.
"""

import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from blocks.settings import data_folder
from deployments._command import print_line
from deployments._flags.tour import Flags
from deployments.tour.shell import CommandFailed, Shell
from deployments.tour.steps import Step, read_steps, say
from domain.kernel.errors import BadRequest
from words import chosen, spoken


class _Stopped(Exception):
    """The user typed q, or Ctrl-C, or ended the input."""


def main(flags: Flags) -> None:
    """Play the steps that are left.

    Raises:
        BadRequest: there is no kubectl, or no terminal to pause in.
    """
    language = spoken()
    if shutil.which("kubectl") is None:
        raise BadRequest(say("no_kubectl", language))
    if not flags.yes and not sys.stdin.isatty():
        raise BadRequest(say("no_terminal", language))
    Tour(data_folder() / "tour", language, pauses=not flags.yes).play()


class Tour:
    """One walk through the steps, of which a file keeps how far it has come."""

    def __init__(
        self, folder: Path, language: str, *, pauses: bool, steps: Sequence[Step] = ()
    ) -> None:
        self._folder, self._language, self._pauses = folder, language, pauses
        self._steps = steps or read_steps()
        self._progress = folder / "step"
        self._shell = Shell(folder, lambda seconds: self._say("again", seconds=seconds))

    def play(self) -> None:
        """Play the steps that are left, and end with an exit code that says how it ended.

        Raises:
            BadRequest: something else is on the local cloud.
        """
        number = first = self._begin()
        try:
            for number in range(first, len(self._steps) + 1):
                self._progress.write_text(str(number), encoding="utf-8")
                self._play(number)
        except (_Stopped, KeyboardInterrupt) as stopped:
            print_line("")
            self._say("stopped", number=number)
            sys.exit(0 if isinstance(stopped, _Stopped) else 130)
        except CommandFailed as failed:
            self._say("failed", code=failed.code)
            sys.exit(1)
        self._progress.unlink()
        self._say("over")

    def _begin(self) -> int:
        """Returns: the number of the first step to play."""
        self._folder.mkdir(exist_ok=True, mode=0o700)
        self._shell.open()
        steps, number = len(self._steps), self._left_at()
        is_empty = self._shell.cloud_is_empty()
        if not number and not is_empty:
            raise BadRequest(say("in_use", self._language))
        if is_empty and number < steps:
            number = 1
        self._say("welcome", steps=steps, folder=self._folder)
        if number > 1:
            self._say("resumed", number=number)
        return number

    def _left_at(self) -> int:
        """The step at which an earlier tour was left; 0 without one."""
        with suppress(OSError, ValueError):
            return max(0, min(int(self._progress.read_text("utf-8")), len(self._steps)))
        return 0

    def _play(self, number: int) -> None:
        step = self._steps[number - 1]
        commands = [one.in_language(chosen()) for one in step.commands]
        print_line("")
        self._say("step", number=number, steps=len(self._steps), title=step.title[self._language])
        print_line(step.why[self._language])
        if self._pauses:
            for command in commands:
                print_line(f"  $ {command.line}")
            self._pause()
        for command in commands:
            print_line(f"$ {command.line}")
            self._shell.type(command)

    def _pause(self) -> None:
        """Wait for Enter. Raises `_Stopped` where the answer is another one."""
        sys.stderr.write(say("pause", self._language))
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line or line.strip().lower() in ("q", "quit", "exit"):
            raise _Stopped

    def _say(self, name: str, **values: object) -> None:
        print_line(say(name, self._language, **values))
