"""One workplace and one cluster for all acceptance tests; each test puts back what it changes."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.workplace import Workplace, clean_environment, free_port, prefect_server
from tests.recording_proxy import RecordingProxy, recording_proxy

# Commands are started here that hear Ctrl-C, also where a script started the tests in the
# background: its commands inherit a deaf ear for it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    home = tmp_path_factory.mktemp("home")
    environment = clean_environment(home) | {"PREFECT_API_AUTH_STRING": "tests:only"}
    with prefect_server(environment, free_port(), home / "prefect.log") as url:
        place = Workplace(home, environment | {"PREFECT_API_URL": url})
        started = place.run("localcloud", "up", "--profile", "instant")
        assert started.code == 0, started.err
        yield place
        assert place.run("localcloud", "down").code == 0


@pytest.fixture(scope="session")
def proxy() -> Iterator[RecordingProxy]:
    """The proxy of a company, which refuses every connection."""
    with recording_proxy() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def cluster(workplace: Workplace, proxy: RecordingProxy) -> Iterator[Workplace]:
    """A workplace in which `demo` is provisioned; torn down after the module.

    Nothing of it goes through a company's proxy: all of it is on this machine.
    """
    done = workplace.run("flows.provision", "--json", **proxy.variables)
    assert done.code == 0, done.err
    assert proxy.seen == []
    yield workplace
    done = workplace.run("flows.teardown", "--yes")
    assert done.code == 0, done.err
    assert workplace.cloud()["resources"] == {}


@pytest.fixture(scope="module")
def kubeconfig(cluster: Workplace) -> Path:
    path = cluster.home / "demo.kubeconfig"
    assert cluster.run("flows.kubeconfig", "--out", str(path)).code == 0
    return path
