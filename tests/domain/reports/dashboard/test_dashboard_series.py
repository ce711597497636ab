from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from clients.samples import SampleStore
from domain.kernel.names import NODES, node_name
from domain.observe.metrics.records import Sample
from domain.reports.dashboard.series import FEWEST, SLICES, read_lines, read_pods
from domain.spec.cluster import ClusterSpec
from tests.domain.makers import DEMO, make_view
from tests.domain.reports.dashboard.board_makers import BEGIN, END, at


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SampleStore]:
    with SampleStore(f"sqlite:///{tmp_path}/samples.db", DEMO) as samples:
        yield samples


def make_sample(
    time: datetime, value: float, metric: str = "cpu", machine: str = "k8s-node-a"
) -> Sample:
    return Sample(time, "demo", NODES, machine, metric, value, "%")


def test_line_has_average_least_and_most_of_the_groups_machines(store: SampleStore) -> None:
    store.add([make_sample(at(0), 10), make_sample(at(0), 30, machine="k8s-node-b")])
    [series] = read_lines(store, (), BEGIN, END, 2).groups
    first = series.points[0]
    assert first
    assert (first.average, first.minimum, first.maximum) == (20, 10, 30)


def test_time_without_samples_is_a_break(store: SampleStore) -> None:
    minutes = (minute for minute in range(0, 1440, 5) if not 300 <= minute < 1200)
    store.add([make_sample(at(minute / 60), 1) for minute in minutes])
    [series] = read_lines(store, (), BEGIN, END, 2).groups
    assert [place for place, point in enumerate(series.points) if point is None] == [5 * 4]


def test_slices_between_two_samples_are_no_break(store: SampleStore) -> None:
    store.add([make_sample(at(hour), 1) for hour in range(24)])
    [series] = read_lines(store, (), BEGIN, END, 2).groups
    assert len(series.points) == 24
    assert None not in series.points


def test_new_cluster_is_shown_from_its_first_sample(store: SampleStore) -> None:
    store.add([make_sample(at(20) + timedelta(minutes=n), 1) for n in range(240)])
    lines = read_lines(store, (), BEGIN, END, 2)
    [series] = lines.groups
    assert at(19) < lines.since < at(20)
    assert len(series.points) > SLICES * 0.9
    assert None not in series.points


def test_each_machine_has_a_line_of_its_own(store: SampleStore) -> None:
    store.add([make_sample(at(0), 10), make_sample(at(0), 30, machine="k8s-node-b")])
    lines = read_lines(store, (), BEGIN, END, 2).machines
    assert [(one.machine, [point[1] for point in one.points if point]) for one in lines] == [
        ("k8s-node-a", [10]),
        ("k8s-node-b", [30]),
    ]


def test_many_machines_have_fewer_slices(store: SampleStore) -> None:
    slices = [len(read_lines(store, (), BEGIN, END, count).times) for count in (2, 1000, 10**6)]
    assert slices[0] == SLICES > slices[1] > slices[2] == FEWEST


def test_custom_monitors_follow_the_built_in_metrics(store: SampleStore) -> None:
    store.add(
        [make_sample(at(1), 1, "nginxConns"), make_sample(at(1), 1), make_sample(at(1), 1, "x")]
    )
    lines = read_lines(store, ["nginxConns"], BEGIN, END, 2)
    assert [one.metric for one in lines.groups] == ["cpu", "nginxConns"]


def test_cluster_without_samples_has_no_lines(store: SampleStore) -> None:
    lines = read_lines(store, (), BEGIN, END, 2)
    assert (lines.since, lines.groups, lines.machines) == (BEGIN, (), ())


def test_fullest_nodes_come_first_with_their_places(store: SampleStore) -> None:
    view = make_view(ClusterSpec(), 2)
    first, second = (node_name(NODES, machine.id) for machine in view.nodes)
    store.add(
        [
            make_sample(END - timedelta(minutes=3), 9, "podsNum", first),
            make_sample(END - timedelta(minutes=1), 12, "podsNum", first),
            make_sample(END - timedelta(minutes=1), 40, "podsRoom", first),
            make_sample(END - timedelta(minutes=1), 31, "podsNum", second),
        ]
    )
    found = [(line.node, line.pods, line.room) for line in read_pods(store, view, END)]
    assert found == [(second, 31, 0), (first, 12, 40)]


def test_old_samples_and_those_of_deleted_machines_do_not_count(store: SampleStore) -> None:
    view = make_view(ClusterSpec(), 2)
    there, old = (node_name(NODES, machine.id) for machine in view.nodes)
    store.add(
        [
            make_sample(END - timedelta(minutes=1), 12, "podsNum", there),
            make_sample(END - timedelta(hours=2), 40, "podsNum", old),
            make_sample(END - timedelta(minutes=1), 38, "podsNum", "k8s-node-gone"),
            make_sample(END - timedelta(minutes=1), 40, "podsRoom", "k8s-node-gone"),
        ]
    )
    assert [line.node for line in read_pods(store, view, END)] == [there]
