"""A moment in the past, as typed on the command line."""

from datetime import datetime, time, timedelta

from domain.kernel.errors import InvalidSpec


def parse_moment(text: str, now: datetime) -> datetime:
    """Parse `14:05`, which is today or else yesterday, or `2026-11-23 14:05`.

    Args:
        now: in the user's time zone.

    Returns:
        The end of the minute or second that was named; `now` for an empty text.

    Raises:
        InvalidSpec: the text has neither form, or the moment is in the future.
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
        raise InvalidSpec(f"{text!r} is not a time such as 14:05 or 2026-11-23 14:05") from None
    moment = _ended(moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo), text)
    if _began(moment, text) > now:
        raise InvalidSpec(f"{text} is in the future")
    return moment


def _ended(moment: datetime, text: str) -> datetime:
    return moment.replace(second=59) if text.count(":") == 1 else moment


def _began(moment: datetime, text: str) -> datetime:
    return moment.replace(second=0) if text.count(":") == 1 else moment
