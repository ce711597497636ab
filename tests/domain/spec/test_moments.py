"""Moments as people type them."""

from datetime import datetime, timedelta, timezone

import pytest

from domain.kernel.errors import InvalidSpec
from domain.spec.moments import parse_moment

HERE = timezone(timedelta(hours=8))
NOW = datetime(2026, 11, 2, 14, 5, 30, tzinfo=HERE)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", NOW),
        ("14:05", NOW.replace(second=59)),
        ("13:00", NOW.replace(hour=13, minute=0, second=59)),
        ("13:00:10", NOW.replace(hour=13, minute=0, second=10)),
        ("23:00", NOW.replace(day=1, hour=23, minute=0, second=59)),
        ("2026-11-01 09:30", NOW.replace(day=1, hour=9, minute=30, second=59)),
    ],
)
def test_a_time_of_day_is_the_last_one_that_has_begun(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize("text", ["soon", "25:00", "2026-11-03 09:30"])
def test_text_that_is_not_a_moment_in_the_past_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpec):
        parse_moment(text, NOW)
