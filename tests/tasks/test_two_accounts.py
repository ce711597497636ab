"""Two accounts with a cluster of one name, on one Prefect server and one database of samples."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness
from pydantic import SecretStr

from blocks.accounts import QingCloudAccount
from blocks.monitoring import open_samples
from domain.cloud.endpoints import Endpoints
from domain.kernel.names import Names
from domain.observe.metrics.records import Sample, Window
from domain.secrets.credentials import make_credentials
from localcloud.iaas.signature import Account
from tasks.cluster import open_cluster
from tasks.endpoints import keep_endpoints
from tasks.runs import only_run
from tests.iaas_daemon import ZONE, IaasDaemon

RUNS = 100
NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


@dataclass
class Place:
    """One account on its cloud, and what its runs have done."""

    account: QingCloudAccount
    runs: int = 0


@pytest.fixture(scope="module")
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=90):
        yield


@pytest.fixture
def places() -> Iterator[list[Place]]:
    with ExitStack() as stack:
        found = []
        for number in (1, 2):
            known = Account(f"KEY{number}" * 5, f"secret {number}", f"usr-number{number}")
            daemon = stack.enter_context(IaasDaemon(known))
            account = QingCloudAccount(
                zone=ZONE,
                access_key_id=known.key_id,
                secret_access_key=SecretStr(known.secret),
                endpoint=daemon.endpoint,
                bills=False,
            )
            found.append(Place(account))
        yield found


def act(place: Place, *, with_server: bool) -> str:
    """One run: it changes the cloud, and keeps what runs keep. Returns: the key of its cluster."""
    mark = f"{place.account.access_key_id} {place.runs}"
    with open_cluster(place.account, "demo") as cluster:
        seen = cluster.cloud.find_security_groups(Names("demo").firewall)
        assert len(seen) == place.runs
        if with_server:
            with only_run(cluster):
                place.runs += 1
                cluster.cloud.create_security_group(Names("demo").firewall)
                keep_endpoints(cluster.at(Endpoints(public_address=mark)))
                made = make_credentials(mark, NOON)
                cluster.change_credentials(lambda found: made)
                assert cluster.credentials() == made
        else:
            place.runs += 1
            cluster.cloud.create_security_group(Names("demo").firewall)
        sample = Sample(NOON, "demo", "", str(place.runs), "podsNum", place.runs, "pods")
        with open_samples(cluster.id) as samples:
            samples.add([sample])
            window = Window(NOON, NOON + timedelta(minutes=1))
            assert len(samples.latest(window)) == place.runs
        return cluster.key


@pytest.mark.usefixtures("prefect_server")
def test_a_hundred_runs_act_each_on_its_own_cluster(
    places: list[Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMPLES_URL", f"sqlite:///{tmp_path}/samples.db")
    order = random.Random(7).choices((0, 1), k=RUNS)

    def run_all(which: int) -> set[str]:
        turns = [turn for turn, place in enumerate(order) if place == which]
        return {act(places[which], with_server=turn % 20 == 0) for turn in turns}

    with ThreadPoolExecutor(2) as pool:  # both accounts at the same time
        one, other = pool.map(run_all, (0, 1))
    assert len(one) == len(other) == 1
    assert one != other
    assert sum(place.runs for place in places) == RUNS
    assert {place.runs for place in places} == {order.count(0), order.count(1)}
