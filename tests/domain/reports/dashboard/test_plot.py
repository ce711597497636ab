from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.reports.drawing.plot import (
    MOST_TIME_TICKS,
    Plot,
    format_number,
    number_step,
    round_up,
    time_ticks,
)
from tests.domain.reports.dashboard.board_makers import BEGIN, END, at


@given(st.floats(min_value=1e-6, max_value=1e12))
def test_upper_edge_holds_the_largest_number_and_is_not_far_above_it(value: float) -> None:
    edge = round_up(value)
    assert value <= edge * (1 + 1e-6)
    assert edge <= value * 2


@given(st.floats(min_value=1e-6, max_value=1e12))
def test_there_are_a_few_level_lines_but_never_many(span: float) -> None:
    assert 1 < span / number_step(span) <= 4.001


@given(st.integers(2, 60 * 24 * 90))
def test_time_axis_never_has_too_many_ticks(minutes: int) -> None:
    ticks = time_ticks(BEGIN, BEGIN + timedelta(minutes=minutes), UTC)
    assert len(ticks) <= MOST_TIME_TICKS + 1
    assert all(BEGIN <= tick <= BEGIN + timedelta(minutes=minutes) for tick in ticks)


def test_ticks_are_round_clock_times() -> None:
    ticks = time_ticks(at(0.3), at(4.9), UTC)
    assert [f"{tick:%H:%M}" for tick in ticks] == ["01:00", "02:00", "03:00", "04:00"]


def test_moment_outside_the_plot_is_on_its_edge() -> None:
    plot = Plot(10, 20, 100, 50, BEGIN, END, UTC, 0, 10)
    assert (plot.at(BEGIN - timedelta(days=1)), plot.at(END + timedelta(days=1))) == (10, 110)
    assert (plot.level(-1), plot.level(5), plot.level(99)) == (70, 45, 20)


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (12.345, "%", "12.3 %"),
        (3_200_000, "B/s", "3.2 MB/s"),
        (310, "B/s", "310 B/s"),
        (31, "pods", "31 pods"),
        (12345, "", "12,345"),
    ],
)
def test_numbers_are_formatted_with_three_digits(value: float, unit: str, words: str) -> None:
    assert format_number(value, unit) == words
