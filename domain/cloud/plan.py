"""What a run would change, and why."""

from dataclasses import dataclass
from enum import StrEnum

from domain.kernel.money import PlanCost


class Action(StrEnum):
    KEEP = "keep"
    CREATE = "create"
    CHANGE = "change"
    REPLACE = "replace"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One resource: what becomes of it, and the reason in a sentence fragment.

    `id` is empty for what does not exist yet. `billed` marks what costs money while it exists.
    """

    kind: str
    name: str
    action: Action
    reason: str
    id: str = ""
    count: int = 1
    billed: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """`cost` is None until somebody has laid prices beside it (`domain.cost.price_plan`)."""

    cluster: str
    items: tuple[PlanItem, ...]
    cost: PlanCost | None = None

    @property
    def changes(self) -> tuple[PlanItem, ...]:
        return tuple(item for item in self.items if item.action is not Action.KEEP)
