"""Money: yuan as Decimal, never as float; an unknown price is never counted as zero."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

HOURS_A_MONTH = 730
"""A twelfth of a year."""

_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of existing resources, in yuan.

    Attributes:
        unknown: names without a price, which the sums leave out, such as `x9.huge`; sorted.
        guessed: whether the prices are built-in guesses instead of the user's own.
    """

    per_hour: Decimal
    per_month: Decimal
    unknown: tuple[str, ...]
    guessed: bool


@dataclass(frozen=True, slots=True)
class PlanCost:
    """What a cluster costs before and after a plan is carried out."""

    now: Rate
    then: Rate


def add_up(prices: Iterable[tuple[str, Decimal | None]], *, guessed: bool) -> Rate:
    """Add up hourly prices by name; names whose price is None become `unknown`."""
    per_hour, unknown = Decimal(0), set()
    for name, price in prices:
        if price is None:
            unknown.add(name)
        else:
            per_hour += price
    return Rate(per_hour, per_hour * HOURS_A_MONTH, tuple(sorted(unknown)), guessed)


def to_micro(yuan: Decimal) -> int:
    """Yuan as whole millionths, the unit in which money is added up over time."""
    return int((yuan * _MICRO).to_integral_value(ROUND_HALF_UP))


def from_micro(micro: int) -> Decimal:
    return Decimal(micro).scaleb(-6)


def format_yuan(yuan: Decimal) -> str:
    """Format an amount: `0.042 yuan`, `1.26 yuan`, `1,840 yuan`."""
    size = abs(yuan)
    places = "0.001" if 0 < size < 1 else "0.01" if size < 1000 else "1"
    return f"{yuan.quantize(Decimal(places), ROUND_HALF_UP):,} yuan"


def format_rate(rate: Rate) -> str:
    """Format a rate, with its reservations: `1.26 yuan an hour, 919.80 yuan a month (…)`."""
    words = f"{format_yuan(rate.per_hour)} an hour, {format_yuan(rate.per_month)} a month"
    reservations = []
    if rate.unknown:
        words = f"at least {words}"
        reservations.append(f"price unknown: {', '.join(rate.unknown)}")
    if rate.guessed:
        reservations.append("prices are guesses; set yours under `prices`")
    return f"{words} ({'; '.join(reservations)})" if reservations else words


def format_plan_cost(cost: PlanCost) -> str:
    """Format the cost after a plan, compared with the present one."""
    if cost.then == cost.now:
        return f"Cost: {format_rate(cost.then)}, as now"
    return f"Cost: {format_rate(cost.then)}; now {format_yuan(cost.now.per_hour)} an hour"
