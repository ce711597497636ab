"""Quantities in the normal form that the API server stores."""

from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

from localcloud.kubernetes.objects.pods import parse_quantity

_DECIMAL = {-3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_SMALLEST, _LARGEST = Decimal("1e-3"), Decimal(2**63 - 1)


@lru_cache(maxsize=4096)
def canonical(given: str | int | float) -> str:
    """Normalize a quantity: `4194304Ki` as `4Gi`, `0.5` as `500m`.

    It stays in the notation that it came in, binary, decimal or with an exponent; binary ones
    that are small or broken become decimal. Less than a thousandth counts as one, and more than
    fits 63 bits as what does.

    Raises:
        ValueError: it is not a quantity.
    """
    text = str(given)
    value = min(parse_quantity(text), _LARGEST).quantize(_SMALLEST, ROUND_CEILING)
    if text.endswith("i") and value >= 1024 and value == value.to_integral_value():
        return _binary(int(value))
    digits, exponent = _mantissa(value)
    if "e" in text.lower() and not text.endswith("E"):
        return f"{digits}e{exponent}" if exponent else str(digits)
    return f"{digits}{_DECIMAL[exponent]}"


def _binary(value: int) -> str:
    power = 0
    while value % 1024 == 0 and power < len(_BINARY) - 1:
        value, power = value // 1024, power + 1
    return f"{value}{_BINARY[power]}"


def _mantissa(value: Decimal) -> tuple[int, int]:
    """Return a whole number and an exponent of ten that is a multiple of three."""
    digits, exponent = int(value / _SMALLEST), -3
    if not digits:
        return 0, 0
    while digits % 1000 == 0 and exponent < max(_DECIMAL):
        digits, exponent = digits // 1000, exponent + 3
    return digits, exponent
