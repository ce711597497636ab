"""The cost of a cluster up to now, by the second, per group and day."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

from domain.kernel.money import from_micro, to_micro
from domain.observe.cost.lives import Life
from domain.spec.prices import Prices

BEIJING = timezone(timedelta(hours=8), "Beijing")
"""The time zone of the days on QingCloud's bill."""


@dataclass(frozen=True, slots=True)
class DailyCost:
    """The cost of a group on one day.

    Attributes:
        group: of machines, or `NETWORK`.
        yuan: of the resources with a known price.
        seconds: sum of the resources' lifetimes, with and without a known price.
        unknown: instance types without a known price; sorted.
    """

    day: date
    group: str
    yuan: Decimal
    seconds: int
    unknown: tuple[str, ...] = ()


def accrue(lives: Iterable[Life], prices: Prices, now: datetime) -> tuple[DailyCost, ...]:
    """Add up the cost until now, by day and group, both in order.

    Billing is by the second without a minimum. A day's cost is the accrued cost at its end minus
    that at its begin, so that the days of a resource add up to its total exactly.
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
    """The cost of a number of seconds, in whole micro-yuan, rounded down.

    Args:
        price: yuan per hour.
    """
    return to_micro(price) * seconds // 3600


def total(costs: Iterable[DailyCost]) -> Decimal:
    return sum((cost.yuan for cost in costs), Decimal(0))


def _days(life: Life, now: datetime) -> Iterator[tuple[date, int, int]]:
    """The days of a lifetime, each with begin and end in seconds since the creation."""
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
