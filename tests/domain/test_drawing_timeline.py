from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.reports.cluster import Timeline
from domain.reports.drawing import draw_timeline
from domain.reports.drawing.timeline import MOST_LANES, MOST_TICKS, choose_tick
from tests.report_makers import make_step

SVG = "{http://www.w3.org/2000/svg}"


def read_texts(picture: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def read_bars(picture: str) -> list[tuple[float, float]]:
    """Left edge and width of each bar, from top to bottom."""
    rectangles = ElementTree.fromstring(picture).iter(f"{SVG}rect")
    return [
        (float(bar.get("x", 0)), float(bar.get("width", 0)))
        for bar in rectangles
        if bar.get("height") == "14"
    ]


def test_title_holds_the_total_time() -> None:
    run = Timeline("Provision of demo", (make_step("network", 0, 30), make_step("join", 20, 185)))
    assert "Provision of demo: 3 min 05 s" in read_texts(draw_timeline(run))


def test_bars_lie_where_the_steps_ran() -> None:
    run = Timeline("Run", (make_step("a", 0, 50), make_step("b", 50, 100), make_step("c", 0, 100)))
    a, c, b = read_bars(draw_timeline(run))
    assert a[1] == pytest.approx(b[1], abs=0.1)
    assert c[1] == pytest.approx(a[1] + b[1], abs=0.1)
    assert b[0] == pytest.approx(a[0] + a[1], abs=0.1)


def test_lanes_are_in_the_order_of_starts() -> None:
    run = Timeline("Run", (make_step("late", 5, 9), make_step("early", 0, 9)))
    texts = read_texts(draw_timeline(run))
    assert texts.index("early") < texts.index("late")


def test_duration_and_outcome_stand_at_the_bar() -> None:
    run = Timeline("Run", (make_step("network", 0, 4.2, "created rtr-1"), make_step("x", 0, 60)))
    assert "4.2 s · created rtr-1" in read_texts(draw_timeline(run))


def test_failed_step_is_counted_and_marked() -> None:
    well = draw_timeline(Timeline("Run", (make_step("join", 0, 9),)))
    ill = draw_timeline(Timeline("Run", (make_step("join", 0, 9, failed=True),)))
    assert "1 failed" in read_texts(ill)
    assert "1 failed" not in read_texts(well)
    assert f"{SVG}path" not in {element.tag for element in ElementTree.fromstring(well).iter()}
    assert f"{SVG}path" in {element.tag for element in ElementTree.fromstring(ill).iter()}


def test_markup_in_names_and_outcomes_is_escaped() -> None:
    run = Timeline("<Run>", (make_step("<b>", 0, 1, '"&<x>'), make_step("y", 0, 9)))
    picture = draw_timeline(run)
    assert "<b>" not in picture
    assert {"<b>", '1.0 s · "&<x>'} <= set(read_texts(picture))


def test_empty_run_is_a_picture_too() -> None:
    assert "no step has run" in read_texts(draw_timeline(Timeline("Run")))


def test_run_that_took_no_time_is_drawn() -> None:
    [(_, width)] = read_bars(draw_timeline(Timeline("Run", (make_step("kept", 0, 0),))))
    assert width > 0


def test_step_that_ends_before_it_starts_stays_on_the_page() -> None:
    run = Timeline("Run", (make_step("skewed", 5, 4), make_step("x", 0, 10)))
    assert all(x >= 0 and width > 0 for x, width in read_bars(draw_timeline(run)))


def test_of_too_many_steps_the_failed_and_the_long_ones_stay() -> None:
    steps = [make_step(f"step {number}", 0, 1 + number) for number in range(100)]
    steps.append(make_step("broken", 0, 0.1, failed=True))
    texts = read_texts(draw_timeline(Timeline("Run", tuple(steps))))
    assert "broken" in texts
    assert "step 99" in texts
    assert "step 0" not in texts
    assert f"… and {101 - MOST_LANES} more steps" in texts


@given(st.floats(min_value=0.01, max_value=1e7))
def test_axis_has_some_ticks_but_never_too_many(seconds: float) -> None:
    tick = choose_tick(seconds)
    assert tick > 0
    assert seconds / tick <= MOST_TICKS + 1e-6


@pytest.mark.parametrize(
    ("seconds", "tick"), [(0.2, 0.05), (7, 1), (100, 15), (205, 30), (4000, 600)]
)
def test_ticks_are_round(seconds: float, tick: float) -> None:
    assert choose_tick(seconds) == pytest.approx(tick)
