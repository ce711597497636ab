"""What a run would change, and why."""

from dataclasses import dataclass
from decimal import Decimal
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
    """One resource: what the run does with it, and the reason in a few words.

    `id` is empty for a resource that does not exist yet. `billed` marks resources that cost money
    while they exist; `hourly` is the price in yuan, where the plan gives it for one resource.
    """

    kind: str
    name: str
    action: Action
    reason: str
    id: str = ""
    count: int = 1
    billed: bool = False
    hourly: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All resources; `cost` is None until `domain.observe.cost.price_plan` has added prices."""

    cluster: str
    items: tuple[PlanItem, ...]
    cost: PlanCost | None = None

    @property
    def changes(self) -> tuple[PlanItem, ...]:
        return tuple(item for item in self.items if item.action is not Action.KEEP)
