"""A local cloud that is killed with a cluster in it: `up` brings both back as they were."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.workplace import Workplace


@pytest.fixture(scope="module")
def own_cloud(
    workplace: Workplace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workplace]:
    """A cloud that may be killed, with a cluster of a name that no other test uses."""
    folder = tmp_path_factory.mktemp("restart")
    place = Workplace(workplace.home, workplace.environment | {"LOCALCLOUD_HOME": str(folder)})
    started = place.run("localcloud", "up", "--profile", "instant")
    assert started.code == 0, started.err
    yield place
    assert place.run("localcloud", "down").code == 0


def kill_daemon(place: Workplace) -> None:
    """Kill the daemon of exactly this folder, by the number that it has noted there."""
    noted = json.loads((Path(place.environment["LOCALCLOUD_HOME"]) / "daemon.json").read_text())
    os.kill(noted["pid"], signal.SIGKILL)


def test_cluster_continues_after_its_cloud_was_killed(own_cloud: Workplace) -> None:
    provision = ("flows.provision", "--name", "phoenix", "--json")
    done = own_cloud.run(*provision)
    assert done.code == 0, done.err
    before = own_cloud.cloud()

    kill_daemon(own_cloud)
    assert own_cloud.cloud()["running"] is False
    started = own_cloud.run("localcloud", "up", "--json").json
    assert (started["started"], started["machines_gone_on"]) == (True, 3)
    after = own_cloud.cloud()
    assert (after["endpoint"], after["resources"]) == (before["endpoint"], before["resources"])

    status = own_cloud.run("flows.status", "--name", "phoenix", "--json").json
    assert (status["api"]["ready"], status["ui"]["ready"]) == (True, True)
    assert [node["ready"] for node in status["nodes"]] == [True] * 3
    changes = own_cloud.changes()
    done = own_cloud.run(*provision)
    assert done.code == 0, done.err
    assert own_cloud.changes() == changes

    kill_daemon(own_cloud)
    assert own_cloud.run("localcloud", "up").code == 0
    done = own_cloud.run("flows.teardown", "--name", "phoenix", "--yes")
    assert done.code == 0, done.err
    assert own_cloud.cloud()["resources"] == {}
    machines = Path(own_cloud.environment["LOCALCLOUD_HOME"]) / "machines"
    assert [folder.name for folder in machines.iterdir()] == [".tools"]
