from datetime import UTC, datetime
from pathlib import Path

import pytest

from clients.samples import SampleStore
from domain.kernel.errors import FinalError
from domain.kernel.names import MASTERS, NODES
from domain.observe.scalings import Scaling
from domain.spec.cluster import ClusterSpec
from tasks.scalings import recorded_scaling, recorded_sizes
from tests.domain.makers import DEMO
from tests.iaas_daemon import IaasDaemon
from tests.tasks.handles import make_account, make_cluster

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path}/samples.db"
    monkeypatch.setenv("SAMPLES_URL", url)
    return url


def read(url: str) -> list[Scaling]:
    with SampleStore(url, DEMO) as store:
        return store.scalings.read(BEGIN)


def test_each_scaling_is_a_row_with_its_reason(database: str) -> None:
    cluster = make_cluster(ClusterSpec())
    for number in range(3):
        with recorded_scaling(
            cluster, NODES, "autoscale", f"reason {number}", before=number, wanted=number + 1
        ):
            pass
    rows = read(database)
    assert [(one.before, one.wanted, one.why) for one in rows] == [
        (0, 1, "reason 0"),
        (1, 2, "reason 1"),
        (2, 3, "reason 2"),
    ]
    assert all(one.began_at <= one.ended_at and not one.failure for one in rows)


def test_a_failed_scaling_is_recorded_and_raised(database: str) -> None:
    cluster = make_cluster(ClusterSpec())
    with (
        pytest.raises(FinalError, match="no stock"),
        recorded_scaling(cluster, NODES, "scale", "asked for 3", before=2, wanted=3),
    ):
        raise FinalError("no stock")
    assert [one.failure for one in read(database)] == ["no stock"]


def test_sizes_that_are_as_described_are_not_recorded(database: str) -> None:
    with IaasDaemon() as daemon:
        cluster = make_cluster(ClusterSpec(), make_account(daemon.endpoint))
        with recorded_sizes(cluster, "provision"):
            pass
        none = cluster.wanting(ClusterSpec.model_validate({"nodes": {"count": 0}}))
        with recorded_sizes(none, "provision"):
            pass
    rows = [(one.group, one.before, one.wanted) for one in read(database)]
    assert sorted(rows) == [(MASTERS, 0, 1), (MASTERS, 0, 1), (NODES, 0, 2)]


def test_without_the_database_the_change_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMPLES_URL", f"sqlite:///{tmp_path}/nowhere/samples.db")
    done = []
    with recorded_scaling(make_cluster(ClusterSpec()), NODES, "scale", "", before=2, wanted=3):
        done.append(True)
    assert done
