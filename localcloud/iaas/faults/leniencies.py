"""No faults, but leniency: what public clients rely on, and the documents forbid."""

from dataclasses import dataclass
from typing import ClassVar

from localcloud.iaas.faults.fault import Fault, Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliesByItself(Fault):
    """Put what is wanted of routers in force without UpdateRouters, which terraform never calls.

    Attributes:
        seconds: After the last change.
    """

    kind: ClassVar[str] = "applies-by-itself"
    seconds: Seconds = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeWins(Fault):
    """Let `instance_type` beat one core and 1024 MiB, which Go clients send without being asked.

    By the documents, cores and memory win.
    """

    kind: ClassVar[str] = "type-wins"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakesPasswords(Fault):
    """Take machines that are to have a password instead of a key.

    It is forgotten when the job is done, for machines here know keys only: until one is attached,
    nobody can log in.
    """

    kind: ClassVar[str] = "takes-passwords"


@dataclass(frozen=True, slots=True, kw_only=True)
class LongTags(Fault):
    """Take tag names of any length, as terraform's own tests expect.

    By the documents, a name is shorter than 15 characters.
    """

    kind: ClassVar[str] = "long-tags"
