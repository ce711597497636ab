"""The cloud's clock, which may differ from ours: all moments are converted to our clock at once.

So an age, such as how long a machine has been booting, is never the difference of two clocks.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LEAST = timedelta(minutes=1)
"""A smaller difference is not corrected: replies tell the time in seconds and travel a while."""


def measure_lag(date: str, now: datetime) -> timedelta:
    """Measure how far the cloud's clock is behind ours; negative where it is ahead.

    In whole minutes, so that the same moment is converted to the same one in each reply.

    Args:
        date: the `Date` of a reply; without a valid one the clocks count as equal.
    """
    try:
        lag = now - parsedate_to_datetime(date).astimezone(UTC)
    except (TypeError, ValueError):
        return timedelta()
    return LEAST * round(lag / LEAST) if abs(lag) >= LEAST else timedelta()
