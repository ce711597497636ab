"""Points of the matrix: their text, their choice, and the cycles that they are put into."""

from collections import Counter

import pytest

from benchmarks.reliability.points import (
    Point,
    Site,
    Stage,
    all_points,
    choose,
    into_cycles,
    parse_point,
)
from benchmarks.reliability.troubles import TROUBLES, Side, Trouble

SITES = [
    Site(Stage.PROVISION, Side.CLOUD, "RunInstances", 1),
    Site(Stage.PROVISION, Side.CLOUD, "RunInstances", 2),
    Site(Stage.PROVISION, Side.SSH, "write-/etc/f2cadm/servers", 1),
    Site(Stage.SCALE_IN, Side.KUBERNETES, "DELETE-nodes", 1),
    Site(Stage.TEARDOWN, Side.CLOUD, "DeleteTags", 1),
]


def test_every_point_is_read_as_it_is_printed() -> None:
    for point in all_points(SITES):
        assert parse_point(str(point)) == point


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("provision", "is not a point such as provision:cloud", id="too short"),
        pytest.param("build:cloud:RunInstances#1:5100", "'build' is none of prov", id="stage"),
        pytest.param("provision:cloud:RunInstances#0:5100", "counted from 1", id="number"),
        pytest.param("provision:cloud:RunInstances#1:503", "the troubles of cloud are", id="side"),
        pytest.param("provision:cloud:RunInstances#1:fire", "'fire' is none of kil", id="trouble"),
    ],
)
def test_text_that_is_no_point_is_refused_with_the_valid_words(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_point(text)


def test_chosen_points_meet_each_call_and_then_each_trouble() -> None:
    chosen = choose(all_points(SITES), len(SITES), seed=1)
    assert {point.site for point in chosen} == set(SITES)
    kinds = sum(len(TROUBLES[side]) for side in Side)
    more = choose(all_points(SITES), kinds, seed=1)
    met = Counter((point.site.side, point.trouble) for point in more)
    assert set(met.values()) == {1}
    assert len(met) == kinds


def test_seed_repeats_a_choice_and_another_makes_another() -> None:
    points = all_points(SITES)
    assert choose(points, 10, seed=1) == choose(points, 10, seed=1)
    assert choose(points, 10, seed=1) != choose(points, 10, seed=2)
    assert choose(points, None, seed=1) == points


def test_cycle_strikes_each_stage_at_most_once_and_no_point_is_lost() -> None:
    points = all_points(SITES)
    cycles = into_cycles(points)
    assert all(point.site.stage is stage for one in cycles for stage, point in one.items())
    assert Counter(point for one in cycles for point in one.values()) == Counter(points)
    provision = [point for point in points if point.site.stage is Stage.PROVISION]
    assert len(cycles) == len(provision)


def test_same_trouble_of_two_sides_is_two_points() -> None:
    both = {Point(site, Trouble.REPLY_LOST) for site in SITES}
    assert both <= set(all_points(SITES))
