"""A collection on the terminal, once and live."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from domain.observe.alarms.deliveries import Delivery, Outcome
from domain.observe.alarms.messages import Message
from domain.observe.alarms.report import AlarmReport
from domain.observe.alarms.states import AlarmState, Phase, Subject
from domain.observe.metrics.records import Gap
from domain.observe.metrics.report import MachineMetrics, MetricsReport
from domain.spec.alarms import Level
from flows._cli.terminal.metrics import Watch, show_metrics, sparkline

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def console() -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, width=100, force_terminal=False, color_system=None), stream


def make_report(
    gaps: tuple[Gap, ...] = (),
    database: str = "sqlite:///samples.db",
    alarms: AlarmReport | None = None,
    machines: int = 1,
) -> MetricsReport:
    numbers = {"podsNum": 27.0, "podsRoom": 40.0, "ready": 1.0, "cpu": 39.25, "nginxPods": 4.0}
    seen = tuple(MachineMetrics(f"k8s-node-{n}", "k8s-node", numbers) for n in range(machines))
    return MetricsReport("demo", NOON, seen, {"podsPending": 3.0}, gaps, database, alarms)


def shown(report: MetricsReport) -> str:
    made, stream = console()
    show_metrics(report, made)
    return stream.getvalue()


def test_a_machine_shows_its_pods_its_load_and_its_custom_monitors() -> None:
    text = shown(make_report())
    assert "✓ k8s-node-0  27 of 40" in text
    assert "39.2" in text
    assert "nginxPods 4" in text
    assert "pods that wait: 3" in text
    assert "kept in sqlite:///samples.db" in text


def test_a_gap_is_shown_with_its_reason_on_one_line() -> None:
    gap = Gap(NOON, "demo", "k8s-node", "k8s-node-0", "hangs", "it\nprinted \x1b[31mred")
    assert "✗ hangs of k8s-node-0: it printed red\n" in shown(make_report(gaps=(gap,)))


def test_many_gaps_and_machines_are_counted() -> None:
    gaps = tuple(Gap(NOON, "demo", "k8s-node", f"n{n}", "x", "no") for n in range(10))
    text = shown(make_report(gaps=gaps, machines=45))
    assert "… and 2 more could not be measured" in text
    assert "… and 5 more machines" in text


def test_samples_that_were_not_stored_and_alarms_without_evaluation_are_shown() -> None:
    text = shown(make_report(database="", alarms=AlarmReport("demo", blind="no database")))
    assert "NOT KEPT" in text
    assert "alarms: not evaluated: no database" in text


def test_alarms_are_named_and_too_many_counted() -> None:
    states = tuple(
        AlarmState(
            "node-not-ready", Subject("k8s-node", f"n{n}"), Phase.FIRING, Level.ERROR, NOON, 0
        )
        for n in range(10)
    )
    text = shown(make_report(alarms=AlarmReport("demo", states)))
    assert "alarms: 10 firing" in text
    assert "error firing: node-not-ready of n0, 0, since 11-0" in text
    assert "… and 2 more alarms" in text


def test_a_service_that_was_not_notified_is_named_with_its_reason() -> None:
    message = Message("a node is lost", "", None)
    delivery = Delivery(
        1, "alarm-webhook/oncall", NOON, message, Outcome.FAILED, 1, "it answers\n500"
    )
    text = shown(make_report(alarms=AlarmReport("demo", deliveries=(delivery,))))
    assert "0 of 1 messages delivered, not all to alarm-webhook/oncall" in text
    assert "✗ alarm-webhook/oncall: 1 message to be sent again: it answers 500" in text


def test_a_live_picture_keeps_the_last_numbers_above_an_error() -> None:
    made, stream = console()
    with Watch("demo", 60, made) as picture:
        picture.show(make_report(), {"k8s-node-0": [1.0, 27.0]})
        picture.show_failure("the cloud does not answer")
    text = stream.getvalue()
    assert "27 of 40 ▁█" in text
    assert "measured every 60 s; Ctrl-C ends it" in text
    assert "the cloud does not answer" in text


@pytest.mark.parametrize(
    ("values", "bars"),
    [((), ""), ((0.0, 0.0), "▁▁"), ((0.0, 4.0, 8.0), "▁▅█"), (tuple(range(30)), None)],
)
def test_a_sparkline_grows_with_its_values(values: tuple[float, ...], bars: str | None) -> None:
    drawn = sparkline(values)
    assert len(drawn) == min(len(values), 20)
    if bars is not None:
        assert drawn == bars
