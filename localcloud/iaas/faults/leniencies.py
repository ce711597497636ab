"""Leniencies: what public clients rely on although the documents forbid it."""

from dataclasses import dataclass
from typing import ClassVar

from localcloud.iaas.faults.fault import Fault, Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliesByItself(Fault):
    """Apply changes of routers without UpdateRouters, which terraform never calls.

    Attributes:
        seconds: After the last change.
    """

    kind: ClassVar[str] = "applies-by-itself"
    seconds: Seconds = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeWins(Fault):
    """Let `instance_type` override one core and 1024 MiB, which Go clients always send.

    By the documents, cores and memory have priority.
    """

    kind: ClassVar[str] = "type-wins"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakesPasswords(Fault):
    """Accept machines with a password instead of a key.

    The password is discarded with the job, because local machines accept keys only: a login needs
    an attached key.
    """

    kind: ClassVar[str] = "takes-passwords"


@dataclass(frozen=True, slots=True, kw_only=True)
class LongTags(Fault):
    """Accept tag names of any length, as terraform's own tests expect.

    By the documents, a name is shorter than 15 characters.
    """

    kind: ClassVar[str] = "long-tags"
