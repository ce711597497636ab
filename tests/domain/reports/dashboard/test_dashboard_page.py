import json
import re
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from decimal import Decimal
from html.parser import HTMLParser
from importlib.resources import files
from xml.etree import ElementTree

import pytest

from domain.kernel.money import add_up
from domain.kernel.names import MASTERS, NODES
from domain.observe.alarms.deliveries import Delivery, Outcome
from domain.observe.alarms.messages import Message
from domain.observe.alarms.states import Phase, Subject
from domain.observe.cost import DailyCost, Saving
from domain.observe.metrics.records import Trouble
from domain.observe.scalings import Scaling
from domain.reports.cluster import ClusterReport, Endpoint, MachineLine, NodeLine
from domain.reports.dashboard.charts import (
    MOST_MARKS,
    WIDTH,
    draw_alarms,
    draw_costs,
    draw_metric,
    draw_pods,
    draw_sizes,
)
from domain.reports.dashboard.data import as_script, chart_data
from domain.reports.dashboard.page import COLUMNS, Look, draw_charts, write_page
from domain.reports.dashboard.records import (
    AlarmSpan,
    MachineLines,
    NodePods,
    Point,
    ScaleEvent,
    Series,
)
from domain.reports.dashboard.rows import UNRECORDED, find_changes
from domain.reports.dashboard.series import CHARTED, FEWEST, MOST_VALUES
from domain.reports.dashboard.words import CHINESE
from domain.reports.machines import MachineState
from domain.spec.alarms import Level
from domain.spec.metrics import BUILT_IN, Per
from tests.domain.observe.alarms.alarm_makers import make_state
from tests.domain.reports.dashboard.board_makers import BEGIN, END, at, make_board, make_series

SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def count(picture: str, tag: str) -> int:
    return sum(1 for _ in ElementTree.fromstring(picture).iter(f"{SVG}{tag}"))


class Words(HTMLParser):
    """The text of a page, and every address that it would fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.fetched: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag in ("link", "iframe", "img"):
            self.fetched.append(tag)


# Charts.


def test_metric_has_a_band_and_a_line_for_each_unbroken_stretch() -> None:
    board = make_board()
    whole = draw_metric(board, [make_series(1, 2, 3)], UTC)
    broken = draw_metric(board, [make_series(1, 2, None, 3, 4)], UTC)
    assert (count(whole, "polygon"), count(whole, "polyline")) == (1, 3)
    assert (count(broken, "polygon"), count(broken, "polyline")) == (2, 6)


def test_single_sample_is_a_dot() -> None:
    assert count(draw_metric(make_board(), [make_series(None, 5)], UTC), "circle") == 3


def test_groups_share_a_chart_and_have_a_legend() -> None:
    series = [make_series(10), make_series(50, group=MASTERS)]
    words = texts(draw_metric(make_board(), series, UTC))
    assert {NODES, MASTERS, "10 % (9 to 11)"} <= set(words)


def test_scalings_are_marked_in_every_metric() -> None:
    event = ScaleEvent(at(6), NODES, 2, 4)
    plain = draw_metric(make_board(), [make_series(1, 2)], UTC)
    marked = draw_metric(make_board(events=(event,)), [make_series(1, 2)], UTC)
    assert "stroke-dasharray" not in plain
    assert marked.count("stroke-dasharray") == 1


def test_scalings_are_named_beside_the_size() -> None:
    event = ScaleEvent(at(6), NODES, 2, 4)
    picture = draw_sizes(make_board(events=(event,)), UTC)
    assert "+2" in texts(picture)
    assert "k8s-node: +2, then 4 machines" in picture


def test_scaling_of_this_moment_is_named_inside_the_card() -> None:
    board = make_board(events=(ScaleEvent(END, NODES, 12, 24),))
    picture = ElementTree.fromstring(draw_sizes(board, UTC))
    [word] = [one for one in picture.iter(f"{SVG}text") if one.text == "+12"]
    assert float(word.attrib["x"]) + 3 * 8 <= WIDTH


def test_so_many_scalings_that_they_would_hide_the_lines_are_not_marked() -> None:
    events = tuple(ScaleEvent(at(n / 10), NODES, 1, n) for n in range(MOST_MARKS + 1))
    picture = draw_metric(make_board(events=events), [make_series(1, 2)], UTC)
    assert "stroke-dasharray" not in picture


def test_legend_that_is_too_long_leaves_out_the_units() -> None:
    long = {"metric": "networkIn", "unit": "B/s"}
    series = [make_series(4.66e6, **long), make_series(4.66e6, group="a-group-of-" * 4, **long)]
    words = " ".join(texts(draw_metric(make_board(), series, UTC)))
    assert "4.66M" in words
    assert "4.66 MB/s" not in words
    assert "4.66 MB/s" in " ".join(texts(draw_metric(make_board(), series[:1], UTC)))


def test_axis_of_many_days_shows_dates_only() -> None:
    board = make_board(since=BEGIN - timedelta(days=30))
    assert not [word for word in texts(draw_sizes(board, UTC)) if ":" in word]


def test_times_are_in_utc_until_the_browser_shows_its_own_zone() -> None:
    east = timezone(timedelta(hours=8))
    page = write_page(make_board(until=END.astimezone(east)))
    assert '<time datetime="2026-11-02T00:00:00+00:00">2026-11-02 00:00:00 UTC</time>' in page


def test_page_without_samples_names_the_command_that_takes_some() -> None:
    assert "python -m flows.monitor" in write_page(make_board(series=()))
    assert "python -m flows.monitor" not in write_page(make_board())


def test_negative_numbers_stay_inside_the_plot() -> None:
    picture = draw_metric(make_board(), [make_series(-5, 5)], UTC)
    places = re.findall(r'points="([^"]+)"', picture)
    heights = [float(place.split(",")[1]) for line in places for place in line.split()]
    assert all(68 <= height <= 228 for height in heights)
    assert {"-5", "0", "5"} <= set(texts(picture))


def test_times_are_in_the_zone_of_the_page() -> None:
    beijing = timezone(timedelta(hours=8))
    board = make_board(since=at(0), until=at(6))
    assert "09:00" in texts(draw_metric(board, [make_series(1, 2)], beijing))
    assert "01:00" in texts(draw_metric(board, [make_series(1, 2)], UTC))


def test_full_node_is_red_and_too_many_nodes_are_counted() -> None:
    pods = [NodePods(f"k8s-node-{number:02}", NODES, 40 - number, 40) for number in range(45)]
    picture = draw_pods([replace(line, pods=max(line.pods, 1)) for line in pods])
    assert "40 of 40" in texts(picture)
    assert picture.count("#d33a3a") == 1
    assert "… and 5 more nodes with 5 pods" in texts(picture)


def test_alarm_is_a_bar_on_the_lane_of_its_rule() -> None:
    spans = (
        AlarmSpan("cpu-high", "k8s-node-a", Level.WARNING, at(1), at(2)),
        AlarmSpan("cpu-high", "k8s-node-a", Level.ERROR, at(5), None),
    )
    picture = draw_alarms(make_board(alarms=spans), UTC)
    assert texts(picture).count("cpu-high: k8s-node-a") == 1
    assert "error: cpu-high, k8s-node-a, 11-01 05:00 to now" in picture


def test_costs_are_stacked_by_day() -> None:
    costs = tuple(
        DailyCost(at(24 * day).date(), group, Decimal(1), 3600)
        for day in range(3)
        for group in (MASTERS, NODES)
    )
    picture = draw_costs(make_board(costs=costs))
    assert {"11-01", "11-02", "11-03", "3.00 yuan"} <= set(texts(picture))


def test_empty_dashboard_is_drawn_too() -> None:
    board = make_board(series=(), pods=(), sizes={}, rate=None)
    for picture in draw_charts(board, UTC):
        ElementTree.fromstring(picture)
    assert "Nothing fires and nothing is pending" in write_page(board)


# The page.


def test_page_fetches_nothing() -> None:
    page = Words(write_page(make_board()))
    assert page.fetched == []


def test_page_shows_what_it_costs_and_what_is_guessed() -> None:
    saving = Saving(NODES, 10, BEGIN, Decimal("3"), Decimal("10.5"))
    cost = DailyCost(BEGIN.date(), NODES, Decimal("3"), 3600, ("x9.huge",))
    words = " ".join(Words(write_page(make_board(savings=(saving,), costs=(cost,)))).words)
    assert "0.500 yuan an hour ; 365.00 yuan / 30 d" in words
    assert "≥ 3.00 yuan so far" in words
    assert "7.50 yuan saved by scaling  (k8s-node, ≤ 10)" in words
    assert "prices are guesses" in words
    assert "x9.huge have no price" in words


def test_unknown_saving_is_unknown_and_not_zero() -> None:
    board = make_board(savings=(Saving(NODES, 10, BEGIN, None, None),))
    assert "? saved by scaling" in " ".join(Words(write_page(board)).words)


def test_unknown_price_makes_the_rate_a_minimum() -> None:
    board = make_board(rate=add_up([("x9", None), ("router", Decimal(1))], guessed=False))
    words = " ".join(Words(write_page(board)).words)
    assert "≥ 1.00 yuan" in words
    assert "price unknown: x9" in words


def test_page_lists_alarms_gaps_and_undelivered_messages() -> None:
    message = Message("[ERROR] demo", "", Level.ERROR)
    undelivered = Delivery(
        1, "dingtalk-robot/a", END, message, Outcome.FAILED, 3, "DingTalk answers 500"
    )
    board = make_board(
        active=(make_state(Phase.FIRING),),
        undelivered=(undelivered,),
        troubles=(Trouble(NODES, "k8s-node-a", "nginxConns", "two numbers", 1234, BEGIN, END),),
    )
    words = " ".join(Words(write_page(board)).words)
    for wanted in ("cpu-high", "DingTalk answers 500", "two numbers", "1,234"):
        assert wanted in words


def test_markup_in_all_texts_of_a_page_is_escaped() -> None:
    evil = "<script>alert(1)</script>"
    undelivered = Delivery(1, evil, END, Message(evil, evil, None), Outcome.FAILED, 3, evil)
    board = make_board(
        cluster=evil,
        zone=evil,
        active=(make_state(Phase.FIRING, rule=evil, subject=Subject(NODES, evil)),),
        events=(ScaleEvent(at(6), evil, 2, 4),),
        scalings=(
            Scaling(evil, at(9), at(9), 1, 2, evil, evil, evil, "javascript:alert(1)"),
            Scaling(evil, at(9), at(9), 1, 2, evil, evil, evil, 'http://x/" onclick="alert(1)'),
        ),
        report=make_report(evil),
        undelivered=(undelivered,),
        sizes={evil: ((BEGIN, 2),)},
        costs=(DailyCost(BEGIN.date(), evil, Decimal(3), 3600, (evil,)),),
        troubles=(Trouble(NODES, evil, evil, evil, 1, BEGIN, END),),
        pods=(NodePods(evil, NODES, 1, 2),),
        series=(make_series(1, metric=evil, title=evil, unit="%"),),
        alarms=(AlarmSpan(evil, evil, Level.ERROR, at(1), None),),
        lost=evil,
    )
    page = write_page(board)
    head, _, scripts = page.partition('<script type="application/json"')
    assert "<script" not in head
    assert "&lt;svg" not in page
    data, _, rest = scripts.partition("</script>")
    assert json.loads(data.partition(">")[2])["charts"][0]["title"] == evil
    assert evil not in rest


def test_address_of_a_run_that_is_none_is_no_link() -> None:
    scaling = Scaling(NODES, at(1), at(1), 1, 2, "scale", "", run="javascript:alert(1)")
    assert "javascript:" not in write_page(make_board(scalings=(scaling,)))


def test_three_scalings_in_a_minute_are_three_rows_with_their_reasons() -> None:
    reasons = [f"{number} pods wait for room" for number in (30, 20, 10)]
    minute = 1 / 60
    scalings = tuple(
        Scaling(NODES, at(9 + n * minute / 3), at(9 + minute), 3 + n, 4 + n, "autoscale", why)
        for n, why in enumerate(reasons)
    )
    lives = (ScaleEvent(at(9.01), NODES, 3, 6), ScaleEvent(at(20), NODES, -1, 5))
    rows = list(find_changes(make_board(scalings=scalings, events=lives)))
    assert [row.why for row in rows] == [UNRECORDED, *reversed(reasons)]
    assert [row.size for row in rows] == ["-1 → 5", "5 → 6", "4 → 5", "3 → 4"]


@pytest.mark.parametrize(("language", "shown"), [("", "Alarms"), ("en", "Alarms"), ("zh", "告警")])
def test_page_speaks_the_language_that_was_asked_for(language: str, shown: str) -> None:
    page = write_page(make_board(), Look(language))
    assert f'data-en="Alarms" data-zh="告警">{shown}</span>' in page
    assert f'data-language="{language}"' in page


def test_all_words_of_the_template_are_in_the_catalogue() -> None:
    template = files("domain.reports.dashboard") / "templates" / "page.html.jinja"
    text = template.read_text(encoding="utf-8")
    words = {
        *re.findall(r'"([^"]+)" \| (?:t|words)', text),
        *re.findall(r'\("([^"]+)" \| words', text),
    }
    for columns in re.findall(r"table\((.*?)\], rows", text):
        words |= set(re.findall(r'"([^"]+)"', columns))
    words |= {str(state) for state in MachineState} | {
        str(phase) for phase in (Phase.FIRING, Phase.PENDING)
    }
    words |= {BUILT_IN[name].title for name in (*COLUMNS, *CHARTED)}
    assert len(words) > 40
    assert {one for one in words if one not in CHINESE} == set()


def test_nothing_wrong_is_said_only_where_nothing_fires() -> None:
    calm = "Nothing fires and nothing is pending."
    assert calm in write_page(make_board())
    assert calm not in write_page(make_board(active=(make_state(Phase.PENDING),)))


def test_broken_machine_and_lone_node_are_rows() -> None:
    words = " ".join(Words(write_page(make_board(report=make_report("demo")))).words)
    for wanted in ("k8s-node-broken", "stopped for 12 minutes", "k8s-node-lone", "no machine"):
        assert wanted in words


def test_page_of_a_thousand_machines_is_under_three_megabytes() -> None:
    metrics = [name for name in CHARTED if BUILT_IN[name].per is Per.MACHINE]
    slices = max(FEWEST, MOST_VALUES // (1000 * (len(CHARTED))))
    times = tuple(BEGIN + timedelta(minutes=n) for n in range(slices))
    lines = tuple(
        MachineLines(
            metric,
            NODES,
            f"k8s-node-{number:08x}",
            tuple((time, 12345.678 + number) for time in times),
        )
        for metric in metrics
        for number in range(1000)
    )
    series = tuple(make_series(1, metric=metric) for metric in metrics)
    page = write_page(make_board(times=times, series=series, machine_lines=lines))
    assert 1_000_000 < len(page.encode()) < 3_000_000


# The data of its charts.


def test_line_is_broken_where_samples_are_missing_and_only_there() -> None:
    times = tuple(at(hour) for hour in range(8))
    points = tuple(
        None if hour == 3 else Point(at(hour), hour, hour, hour) for hour in (0, 2, 3, 6, 7)
    )
    series = Series("cpu", "CPU in use", "%", NODES, points)
    [chart] = chart_data(make_board(times=times, series=(series,)))["charts"]
    assert chart["groups"][0]["average"] == [0, "", 2, None, None, None, 6, 7]


def test_data_cannot_end_the_element_that_it_is_in() -> None:
    text = as_script({"a": "</script><script>alert(1)</script>\u2028"})
    assert "<" not in text
    assert json.loads(text) == {"a": "</script><script>alert(1)</script>\u2028"}


def test_unreachable_database_is_named_on_the_page() -> None:
    board = make_board(series=(), lost="the samples' database does not answer")
    assert "does not answer" in write_page(board)


def make_report(words: str) -> ClusterReport:
    """A machine that serves, one that is broken, and a node without a machine."""
    machines = (
        MachineLine("k8s-node-a", "i-a", words, words, "running", words),
        MachineLine("k8s-node-broken", "i-b", words, words, words, words, "stopped for 12 minutes"),
    )
    nodes = (
        NodeLine("k8s-node-a", NODES, True, True, 3, 37, words, {"cpu": 12.5}),
        NodeLine("k8s-node-lone", NODES, False, True, 3, 37, words),
    )
    nowhere = Endpoint("", ready=False)
    return ClusterReport("demo", "local1", nowhere, nowhere, machines, nodes)
