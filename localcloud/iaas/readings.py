"""Series of readings, packed as the monitoring answers pack them.

The first item is `[epoch, value]`; then come bare values, each a step later. An item
`[seconds, value]` comes that long after the one before (readings are missing between them), and
`"NA"` stands for a reading without a value.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from localcloud.iaas.load import Value, seeded

STEPS = {"5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "2h": 7200, "1d": 86_400}
FINE_STEPS = ("5m", "15m", "30m", "1h")
KEPT_FINE = timedelta(days=15)
"""Age up to which fine steps are available."""

WITHOUT_VALUE, MISSING = 0.01, 0.005
"""Shares of readings that are `NA`, and that are missing."""

NOT_AVAILABLE = "NA"
Series = list[tuple[int, Value | None]]


def read_series(
    key: str, step: str, begin: datetime, end: datetime, value_at: Callable[[datetime], Value]
) -> Series:
    """Read a value at every step from `begin` to `end`; None where it is missing.

    Args:
        key: chooses, the same for the same key, which readings are missing.
    """
    seconds = STEPS[step]
    first = -int(-begin.timestamp() // seconds) * seconds
    series: Series = []
    for moment in range(first, int(end.timestamp()) + 1, seconds):
        draw = seeded(key, moment).random()
        if draw < MISSING:
            continue
        has_value = draw >= MISSING + WITHOUT_VALUE
        value = value_at(datetime.fromtimestamp(moment, UTC)) if has_value else None
        series.append((moment, value))
    return series


def pack(series: Series, seconds: int) -> list[Any]:
    """Pack a series, from its first value on; a series without any is an empty list."""
    packed: list[Any] = []
    before = 0
    for moment, value in series:
        shown = NOT_AVAILABLE if value is None else value
        if not packed:
            if value is None:
                continue  # public decoders unpack the first item
            packed.append([moment, shown])
        elif moment - before == seconds:
            packed.append(shown)
        else:
            packed.append([moment - before, shown])
        before = moment
    return packed
