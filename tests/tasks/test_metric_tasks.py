"""What a collection does with the samples' database, and without it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect import flow
from prefect.testing.utilities import prefect_test_harness

from clients.samples import SampleStore
from domain.cloud.inventory import Machines
from domain.kernel.names import MASTERS, NODES, node_name
from domain.observe.metrics.cloud import ASKED
from domain.observe.metrics.records import Collected, Gap, Sample
from domain.spec.cluster import ClusterSpec
from domain.spec.metrics import BILLED_RESOURCES, QUOTA_NODES
from tasks.executors import PrefectSteps
from tasks.metrics import Due, Kept, keep_samples, what_is_due
from tasks.steps import Recorder, listening
from tests.domain.makers import DEMO, make_view

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
VIEW = make_view(ClusterSpec(), nodes=2)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SampleStore]:
    url = f"sqlite:///{tmp_path}/samples.db"
    monkeypatch.setenv("SAMPLES_URL", url)
    with SampleStore(url, DEMO) as samples:
        yield samples


def cloud_is_due(machines: Machines, now: datetime) -> bool:
    return what_is_due(DEMO, machines, now).monitoring


def ask(store: SampleStore, view: Machines, now: datetime = NOON) -> None:
    """What a collection at noon leaves of a cloud that knows the memory of every machine."""
    asked = Sample(now, "demo", "", "", ASKED, 3, "values")
    memory = (
        Sample(now, "demo", group, node_name(group, machine.id), "memory", 40, "%")
        for group in (MASTERS, NODES)
        for machine in view.group(group)
    )
    store.add([asked, *memory])


@pytest.mark.parametrize(("minutes", "due"), [(1, False), (4, False), (5, True)])
def test_cloud_is_asked_every_five_minutes(store: SampleStore, minutes: int, due: bool) -> None:
    assert cloud_is_due(VIEW, NOON)
    ask(store, VIEW)
    assert cloud_is_due(VIEW, NOON + timedelta(minutes=minutes)) is due


def test_cloud_is_asked_again_for_machines_that_it_was_not_asked_about(store: SampleStore) -> None:
    """A machine that was added, or all those of a new cluster with an old one's name."""
    ask(store, make_view(ClusterSpec(), nodes=1))
    assert cloud_is_due(VIEW, NOON + timedelta(minutes=1))


def test_machine_that_could_not_be_measured_is_not_asked_about_each_minute(
    store: SampleStore,
) -> None:
    ask(store, make_view(ClusterSpec(), nodes=1))
    silent = node_name(NODES, VIEW.nodes[1].id)
    store.add([], [Gap(NOON, "demo", NODES, silent, "memory", "it cannot be reached")])
    assert not cloud_is_due(VIEW, NOON + timedelta(minutes=1))


def test_cluster_without_machines_is_asked_about_every_five_minutes(store: SampleStore) -> None:
    ask(store, Machines("demo"))
    assert not cloud_is_due(Machines("demo"), NOON + timedelta(minutes=1))
    assert cloud_is_due(Machines("demo"), NOON + timedelta(minutes=5))


def test_without_its_database_the_cloud_is_asked_in_each_fifth_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMPLES_URL", f"sqlite:///{tmp_path}/nowhere/samples.db")
    due = [cloud_is_due(VIEW, NOON + timedelta(minutes=minute)) for minute in range(6)]
    assert due == [True, False, False, False, False, True]


def test_slow_values_are_read_seldom_and_never_all_at_once(store: SampleStore) -> None:
    """In the hour after a run, which has noted what is billed, two calls a minute are the most."""
    store.add([Sample(NOON, "demo", "", "", BILLED_RESOURCES.name, 6, "resources")])
    asked: list[Due] = []
    for minute in range(61):
        now = NOON + timedelta(minutes=minute)
        due = what_is_due(DEMO, VIEW, now)
        asked.append(due)
        if due.monitoring:
            ask(store, VIEW, now)
        if due.quota:
            store.add([Sample(now, "demo", NODES, "", QUOTA_NODES.name, 9, "machines")])
    assert all(due.monitoring + due.quota + due.inventory <= 1 for due in asked)
    assert sum(due.monitoring for due in asked) == 13
    assert sum(due.quota for due in asked) == 12
    assert sum(due.inventory for due in asked[:60]) == 0


@pytest.mark.usefixtures("prefect_server")
def test_samples_that_are_not_kept_are_a_failed_step_that_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMPLES_URL", f"sqlite:///{tmp_path}/nowhere/samples.db")
    recorder = Recorder()

    @flow
    def run() -> Kept:
        return PrefectSteps().run(keep_samples, DEMO, Collected(), NOON, 30)

    with listening(recorder):
        kept = run()
    (step,) = recorder.timeline("monitor").steps
    assert step.failed
    assert "does not answer" in step.outcome
    assert "does not answer" in kept.reason


@pytest.fixture(scope="module")
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=90):
        yield
