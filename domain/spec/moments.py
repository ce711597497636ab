"""A moment of the past as a person types it."""

from datetime import datetime, time, timedelta

from domain.kernel.errors import InvalidSpec


def parse_moment(text: str, now: datetime) -> datetime:
    """Read `14:05`, which is today or else yesterday, or `2026-11-23 14:05`; nothing means now.

    The moment is the end of what was named: at 14:05 means up to its last second.

    Args:
        now: in the person's time zone.

    Raises:
        InvalidSpec: it is neither, or lies in the future.
    """
    if not text:
        return now
    try:
        clock = time.fromisoformat(text)
    except ValueError:
        return _dated(text, now)
    moment = _ended(datetime.combine(now.date(), clock, now.tzinfo), text)
    return moment if _began(moment, text) <= now else moment - timedelta(days=1)


def _dated(text: str, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidSpec(f"{text!r} is no time such as 14:05 or 2026-11-23 14:05") from None
    moment = _ended(moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo), text)
    if _began(moment, text) > now:
        raise InvalidSpec(f"{text} lies in the future")
    return moment


def _ended(moment: datetime, text: str) -> datetime:
    return moment.replace(second=59) if text.count(":") == 1 else moment


def _began(moment: datetime, text: str) -> datetime:
    return moment.replace(second=0) if text.count(":") == 1 else moment
