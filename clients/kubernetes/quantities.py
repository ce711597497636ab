"""Amounts such as `100m`, `2Gi` and `1e3`, read by the parser of the kubernetes client.

An API server accepts only valid ones. An invalid one must still not end an evaluation, so the
caller gives the value that it counts as.
"""

from decimal import Decimal
from functools import lru_cache
from math import ceil

from kubernetes.utils.quantity import parse_quantity

LARGEST = 2**63 - 1
"""The largest amount that Kubernetes itself can hold."""

Quantity = str | int | float | Decimal


def read_quantity(quantity: Quantity) -> Decimal | None:
    """The exact amount, at most `LARGEST`; None for what is not a quantity."""
    return _parse(quantity if isinstance(quantity, Decimal) else str(quantity))


def read_amount(quantity: Quantity, *, unit: int = 1, unreadable: int = 0) -> int:
    """A whole amount, rounded up as the scheduler does.

    Args:
        unit: how many of the result's units make one of the quantity's: 1000 for millicores.
        unreadable: the value of a text that is not a quantity.
    """
    amount = read_quantity(quantity)
    return ceil((unreadable if amount is None else amount) * unit)


@lru_cache(maxsize=4096)  # thousands of pods request the same few quantities
def _parse(text: str | Decimal) -> Decimal | None:
    try:
        amount: Decimal = parse_quantity(text)  # type: ignore[no-untyped-call]
    except (ValueError, ArithmeticError):
        return None
    return None if amount.is_nan() else min(amount, Decimal(LARGEST))
