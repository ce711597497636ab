"""What a cluster has cost, second by second, by group and day."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

from domain.kernel.money import from_micro, to_micro
from domain.observe.cost.lives import Life
from domain.spec.prices import Prices

BEIJING = timezone(timedelta(hours=8), "Beijing")
"""Whose midnight ends a day on QingCloud's bill."""


@dataclass(frozen=True, slots=True)
class DailyCost:
    """What a group has cost on a day.

    Attributes:
        group: of machines, or `NETWORK`.
        yuan: of what has a price.
        seconds: how long resources have existed in sum, with a price or not.
        unknown: the instance types without a price among them; sorted.
    """

    day: date
    group: str
    yuan: Decimal
    seconds: int
    unknown: tuple[str, ...] = ()


def accrue(lives: Iterable[Life], prices: Prices, now: datetime) -> tuple[DailyCost, ...]:
    """Add up what lives have cost until now, by day and group, both in order.

    Billing is by the second without a minimum. Each day gets what the whole life has cost by its
    end less what it had cost at its beginning, so that days add up to the life exactly.
    """
    micro: defaultdict[tuple[date, str], int] = defaultdict(int)
    seconds: defaultdict[tuple[date, str], int] = defaultdict(int)
    unknown: defaultdict[tuple[date, str], set[str]] = defaultdict(set)
    for life in lives:
        price = life.price(prices)
        for day, begin, end in _days(life, now):
            key = day, life.group
            seconds[key] += end - begin
            if price is None:
                unknown[key].add(life.kind)
            else:
                micro[key] += cost_of(price, end) - cost_of(price, begin)
    return tuple(
        DailyCost(day, group, from_micro(micro[day, group]), seconds[day, group], tuple(types))
        for day, group in sorted(seconds)
        for types in [sorted(unknown[day, group])]
    )


def cost_of(price: Decimal, seconds: int) -> int:
    """What so many seconds cost, in whole micro-yuan, rounded down.

    Args:
        price: yuan an hour.
    """
    return to_micro(price) * seconds // 3600


def total(costs: Iterable[DailyCost]) -> Decimal:
    return sum((cost.yuan for cost in costs), Decimal(0))


def _days(life: Life, now: datetime) -> Iterator[tuple[date, int, int]]:
    """The days of a life, each with its begin and end in seconds since the life's begin."""
    start = life.created_at.astimezone(BEIJING)
    end = (life.ended_at or now).astimezone(BEIJING)
    at = start
    while at < end:
        midnight = datetime.combine(at.date() + timedelta(days=1), datetime.min.time(), BEIJING)
        until = min(midnight, end)
        yield at.date(), _whole(at - start), _whole(until - start)
        at = until


def _whole(span: timedelta) -> int:
    return span // timedelta(seconds=1)
