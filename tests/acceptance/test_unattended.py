"""The burst without a command: deployments, a worker and the schedule handle it."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.acceptance.deployed import answer, end_schedules, question_of, start_run, working
from tests.acceptance.test_kubectl import KUBECTL, Kubectl
from tests.acceptance.workplace import ROOT, Workplace, ask

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="no kubectl on PATH")

LOAD = ROOT / "deployments/tour/files/my-nginx-rc.yaml"


@pytest.fixture
def worker(workplace: Workplace) -> Iterator[Workplace]:
    """A workplace with everything deployed, and a worker that runs it."""
    done = workplace.run("deployments.register", "--name", "auto", "--account", "local")
    assert done.code == 0, done.err
    with working(workplace):
        yield workplace


def wait_for_runs(workplace: Workplace) -> None:
    """Wait for the runs under way."""
    deadline = time.monotonic() + 90
    while busy := under_way(workplace):
        assert time.monotonic() < deadline, busy
        time.sleep(0.5)


def under_way(workplace: Workplace) -> list[str]:
    """The names of deployed runs that have begun and not ended.

    A run that somebody typed and that was killed stays Running for ever, and is not meant.
    """
    return [
        run["name"]
        for run in json.loads(everything(workplace, "flow_runs"))
        if run["deployment_id"] and run["state_type"] in ("RUNNING", "PENDING")
    ]


def deployed(workplace: Workplace, name: str, **parameters: object) -> None:
    """Run a deployment of the cluster `auto`, and wait for its end."""
    words = ("deployment", "run", f"{name}/auto", "--watch", "--watch-interval", "1")
    given = ("--params", json.dumps(parameters)) if parameters else ()
    done = workplace.run("prefect", *words, *given)
    assert done.code == 0, done.out + done.err


def everything(workplace: Workplace, kind: str) -> str:
    """All that the Prefect server would tell anybody about its deployments or runs."""
    return json.dumps(ask(workplace, f"{kind}/filter"))


@pytest.mark.timeout(400)
def test_a_scheduled_evaluation_adds_the_machine_that_pods_wait_for(worker: Workplace) -> None:
    deployed(
        worker, "provision", spec={"name": "auto", "nodes": {"count": 1}}, demo=False, ui=False
    )
    path = worker.home / "auto.kubeconfig"
    assert worker.run("flows.kubeconfig", "--name", "auto", "--out", str(path)).code == 0
    kubectl = Kubectl(worker, path)
    kubectl("create", "-f", str(LOAD))
    kubectl("scale", "rc", "my-nginx", "--replicas=50")

    # Nobody asks for a look: the schedule's is at most a minute away.
    running = ("get", "pods", "--field-selector=status.phase=Running", "-o", "name")
    deadline = time.monotonic() + 150
    while len(kubectl(*running).split()) < 50:
        assert time.monotonic() < deadline, (worker.home / "worker.log").read_text()[-3000:]
        time.sleep(0.5)
    end_schedules(worker, "auto")
    wait_for_runs(worker)
    before = worker.changes()
    refused = answer(worker, start_run(worker, "teardown", "auto"), approve=True, cluster="demo")
    assert refused.startswith("FAILED: ")
    assert "was approved for 'demo', which is another name; nothing was changed" in refused
    assert worker.changes() == before
    again = start_run(worker, "teardown", "auto")
    assert "Plan for cluster auto" in question_of(worker, again)
    assert answer(worker, again, approve=True, cluster="auto").startswith("COMPLETED")
    assert worker.cloud()["resources"] == {}
    secret = worker.run("localcloud", "env", "--json").json["QINGCLOUD_SECRET_ACCESS_KEY"]
    for kind in ("deployments", "flow_runs"):
        stored = everything(worker, kind)
        assert "account" in stored
        assert secret not in stored
