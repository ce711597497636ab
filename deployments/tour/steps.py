"""The tour's steps and words, as its two data files have them."""

from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from words import FLAG

HOME = files("deployments.tour")
FILES = HOME / "files"
"""What the commands name: a description, a manifest, a script."""

Texts = dict[str, str]
"""A text by language."""


@dataclass(frozen=True, slots=True)
class Command:
    """A line as one types it.

    Attributes:
        until: typed again until it prints this; empty for a line that is typed once.
    """

    line: str
    until: str = ""

    def in_language(self, chosen: str) -> "Command":
        """The same with the flag of a language that was chosen; empty for that of the locale."""
        if not chosen or not self.line.startswith("qingcloud-k8s "):
            return self
        return replace(self, line=f"{self.line} {FLAG} {chosen}")


@dataclass(frozen=True, slots=True)
class Step:
    """What is done, why, and by which commands."""

    title: Texts
    why: Texts
    commands: tuple[Command, ...]


@cache
def read_steps() -> tuple[Step, ...]:
    return tuple(
        Step(one["title"], one["why"], tuple(map(_command, one["commands"])))
        for one in _read("steps.yaml")
    )


@cache
def read_words() -> dict[str, Texts]:
    """The tour's own sentences by name."""
    return dict(_read("words.yaml"))


def say(name: str, language: str, **values: object) -> str:
    """One of the tour's sentences in a language."""
    return read_words()[name][language].format(**values)


def _command(given: str | dict[str, str]) -> Command:
    return Command(given) if isinstance(given, str) else Command(given["type"], given["until"])


def _read(name: str) -> Any:
    return yaml.safe_load((HOME / name).read_text(encoding="utf-8"))
