"""Samples in reports: by machine, and on the nodes of a cluster's status."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.observe.alarms.report import AlarmReport
from domain.observe.metrics.records import Sample
from domain.observe.metrics.report import Incomplete, MachineMetrics, check_complete, report_metrics
from domain.reports.cluster import ClusterReport, Endpoint, NodeLine
from domain.reports.overview import with_metrics

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def sample(metric: str, value: float, minute: int = 0, machine: str = "n1") -> Sample:
    time = NOON + timedelta(minutes=minute)
    return Sample(time, "demo", "k8s-node" if machine else "", machine, metric, value, "")


def test_of_two_samples_of_a_metric_the_later_is_reported() -> None:
    samples = [
        sample("cpu", 9.0, minute=1),
        sample("cpu", 5.0),
        sample("podsNum", 3.0, machine="n0"),
        sample("podsPending", 4.0, machine=""),
    ]
    report = report_metrics("demo", NOON, samples, (), "sqlite:///x.db")
    assert report.machines == (
        MachineMetrics("n0", "k8s-node", {"podsNum": 3.0}),
        MachineMetrics("n1", "k8s-node", {"cpu": 9.0}),
    )
    assert report.totals == {"podsPending": 4.0}


def make_node(name: str, pods: int) -> NodeLine:
    return NodeLine(name, "k8s-node", True, True, pods, 40, "v1.36.4")


def test_status_counts_pods_itself_and_takes_other_metrics_from_samples() -> None:
    down = Endpoint("", False)
    nodes = (make_node("n1", 27), make_node("n2", 0))
    report = with_metrics(
        ClusterReport("demo", "pek3", down, down, nodes=nodes),
        [sample("podsNum", 2.0), sample("cpu", 5.0)],
    )
    assert [node.metrics for node in report.nodes] == [
        {"cpu": 5.0, "podsNum": 27.0},
        {"podsNum": 0.0},
    ]


@pytest.mark.parametrize(
    ("lost", "blind", "words"),
    [
        ("it is locked", "it is locked", "samples are not kept and its alarms not evaluated"),
        ("it is locked", "", "samples are not kept, because it is locked. "),
        ("", "it is locked", "alarms are not evaluated, because it is locked. "),
    ],
)
def test_incomplete_collection_is_an_error_that_carries_the_report(
    lost: str, blind: str, words: str
) -> None:
    report = report_metrics("demo", NOON, [sample("cpu", 5.0)], (), "" if lost else "sqlite://")
    report = replace(report, alarms=AlarmReport("demo", blind=blind))
    with pytest.raises(Incomplete, match=words) as caught:
        check_complete(report, lost)
    assert caught.value.report is report
    assert "SAMPLES_URL" in str(caught.value)


def test_gaps_alone_leave_a_collection_complete() -> None:
    check_complete(report_metrics("demo", NOON, (), (), "sqlite://"), "")
