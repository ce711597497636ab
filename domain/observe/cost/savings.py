"""What a group would have cost at its largest size, against what it has cost."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import accumulate

from domain.kernel.money import from_micro
from domain.observe.cost.accrual import accrue, cost_of, total
from domain.observe.cost.lives import NETWORK, Life
from domain.spec.prices import Prices


@dataclass(frozen=True, slots=True)
class Saving:
    """What a group has cost since its first machine, and what its maximum would have cost.

    `yuan` is None where a type has no price: then nobody knows.
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
    """Compare a group with itself at its maximum; None for a group that never had a machine.

    Only the time counts in which the cluster had a machine: one that was taken down and made again
    did not save anything in between.

    Args:
        lives: of all groups.
        maximum: the group's largest size as it is set now; where it was larger once, that counts.
        type_id: what its machines would be, from the group's template.
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
    """How many lived at the same time at most."""
    ends = [(life.ended_at, -1) for life in lives if life.ended_at]
    changes = sorted([*ends, *((life.created_at, 1) for life in lives)])
    return max(accumulate(change for _, change in changes), default=0)


def _existed(lives: Iterable[Life], now: datetime) -> int:
    """For how many seconds there was a machine at all."""
    seconds, until = 0.0, datetime.min.replace(tzinfo=UTC)
    for begin, end in sorted((life.created_at, life.ended_at or now) for life in lives):
        seconds += max((end - max(begin, until)).total_seconds(), 0.0)
        until = max(until, end)
    return int(seconds)
