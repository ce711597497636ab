"""The base class of all faults, and the number types of their fields."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Le

Number = Annotated[int, Ge(1)]
Share = Annotated[float, Gt(0), Le(1)]
Seconds = Annotated[float, Ge(0), Le(86_400)]


class BadFault(Exception):
    """An invalid fault; the text gives the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Attributes of all faults.

    Attributes:
        times: How often it strikes; without a limit when not given.
        share: Probability of striking on each occasion, above 0 and up to 1.
        seed: The same seed strikes on the same occasions.
    """

    kind: ClassVar[str]
    times: Number | None = None
    share: Share = 1.0
    seed: int = 0

    def to_document(self) -> dict[str, Any]:
        """Write it as `read_fault` reads it, without fields that are None."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return {"kind": self.kind, **given}
