"""The cost of a group compared with its cost at its largest size."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import accumulate

from domain.kernel.money import from_micro
from domain.observe.cost.accrual import accrue, cost_of, total
from domain.observe.cost.lives import NETWORK, Life, size_changes
from domain.spec.prices import Prices


@dataclass(frozen=True, slots=True)
class Saving:
    """The cost of a group since its first machine, and the cost of its maximum over that time.

    `yuan` is None where a type has no known price.
    """

    group: str
    maximum: int
    since: datetime
    spent: Decimal | None
    at_maximum: Decimal | None

    @property
    def yuan(self) -> Decimal | None:
        if self.spent is None or self.at_maximum is None:
            return None
        return self.at_maximum - self.spent


def save_by_scaling(
    group: str,
    lives: Sequence[Life],
    maximum: int,
    type_id: str,
    prices: Prices,
    now: datetime,
) -> Saving | None:
    """Compare a group's cost with that of its maximum.

    Only times at which the cluster had a machine count: a cluster that was deleted and created
    again did not save anything in between.

    Args:
        lives: of all groups.
        maximum: the group's current maximum; a larger size that it once had counts instead.
        type_id: instance type of the group's template.

    Returns: None for a group that never had a machine.
    """
    mine = [life for life in lives if life.group == group]
    if not mine:
        return None
    since = min(life.created_at for life in mine)
    costs = accrue(mine, prices, now)
    spent = None if any(cost.unknown for cost in costs) else total(costs)
    price = prices.machine(type_id)
    maximum = max(maximum, _most_at_once(mine))
    seconds = _existed((life for life in lives if life.group != NETWORK), now)
    most = None if price is None else from_micro(cost_of(price, seconds) * maximum)
    return Saving(group, maximum, since, spent, most)


def _most_at_once(lives: Sequence[Life]) -> int:
    """The largest number of machines at the same time."""
    return max(accumulate(change for _, change in size_changes(lives)), default=0)


def _existed(lives: Iterable[Life], now: datetime) -> int:
    """The number of seconds with at least one machine."""
    seconds, until = 0.0, datetime.min.replace(tzinfo=UTC)
    for begin, end in sorted((life.created_at, life.ended_at or now) for life in lives):
        seconds += max((end - max(begin, until)).total_seconds(), 0.0)
        until = max(until, end)
    return int(seconds)
