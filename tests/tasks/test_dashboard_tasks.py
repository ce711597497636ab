import re
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.testing.utilities import prefect_test_harness

from clients.lives import LifeHistory
from clients.samples import SampleStore
from domain.kernel.names import NODES, node_name
from domain.observe.cost import NETWORK
from domain.observe.metrics.records import Sample
from domain.observe.scalings import Scaling
from domain.reports.dashboard.records import Dashboard
from domain.spec.cluster import ClusterSpec
from tasks.alarms import record_lives
from tasks.dashboard import publish_dashboard, read_dashboard
from tests.domain.makers import CREATED, DEMO, make_view

SPEC = ClusterSpec()
NOW = CREATED + timedelta(hours=2)
DAY = timedelta(hours=24)


@pytest.fixture(scope="module", autouse=True)
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=90):
        yield


def read(nodes: int = 2) -> Dashboard:
    return read_dashboard(DEMO, SPEC, make_view(SPEC, nodes), "local1", NOW, DAY)


def test_dashboard_holds_samples_machines_and_money(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/samples.db"
    monkeypatch.setenv("SAMPLES_URL", url)
    view = make_view(SPEC, 2)
    name = node_name(NODES, view.nodes[0].id)
    with SampleStore(url, DEMO) as store:
        record_lives(
            LifeHistory(store.database, DEMO.key), make_view(SPEC, 3), NOW - timedelta(hours=1)
        )
        minutes = range(0, 60, 5)
        store.add(
            [
                Sample(NOW - timedelta(minutes=minute), "demo", NODES, name, "podsNum", 31, "pods")
                for minute in minutes
            ]
        )
    assert read().savings == ()  # it was never scaled
    with SampleStore(url, DEMO) as store:
        store.scalings.add(Scaling(NODES, NOW, NOW, 3, 2, "autoscale", "empty"))
    board = read()
    assert board.lost == ""
    assert [one.why for one in board.scalings] == ["empty"]
    assert [(line.node, line.pods) for line in board.pods] == [(name, 31)]
    assert [series.metric for series in board.series] == ["podsNum"]
    assert board.machines == 3
    assert [event.change for event in board.events if event.group == NODES] == [-1]
    assert board.rate
    assert [saving.yuan is not None for saving in board.savings] == [True]
    assert {cost.group for cost in board.costs} == {"k8s-master", NODES, NETWORK}


def test_dashboard_without_its_database_has_the_price_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMPLES_URL", f"sqlite:///{tmp_path}/nowhere/samples.db")
    board = read()
    assert "does not answer" in board.lost
    assert board.rate
    assert board.series == ()


def test_dashboard_with_a_file_that_is_not_a_database_has_the_price_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "samples.db"
    file.write_text("This is a text, and a long one, so that nobody takes it for a database. " * 9)
    monkeypatch.setenv("SAMPLES_URL", f"sqlite:///{file}")
    board = read()
    assert "not a database" in board.lost
    assert board.rate


def test_charts_are_pictures_of_one_artifact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMPLES_URL", f"sqlite:///{tmp_path}/samples.db")
    flow(publish_dashboard)(read(), UTC, DEMO.key)
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[f"dashboard-{DEMO.key}"]))
        [artifact] = client.read_artifacts(artifact_filter=wanted)
    assert "It costs 1.31 yuan an hour" in str(artifact.data)
    pictures = re.findall(r"\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", str(artifact.data))
    assert len(pictures) == 4
    for picture in pictures:
        assert ElementTree.fromstring(b64decode(picture)).tag.endswith("svg")
