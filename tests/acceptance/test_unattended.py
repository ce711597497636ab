"""The burst without a command: deployments, a worker and the schedule handle it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.acceptance.test_kubectl import KUBECTL, Kubectl
from tests.acceptance.workplace import ROOT, Workplace, ask

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="no kubectl on PATH")

LOAD = ROOT / "docs" / "examples" / "my-nginx-rc.yaml"


@pytest.fixture
def worker(workplace: Workplace) -> Iterator[Workplace]:
    """A workplace with everything deployed, and a worker that runs it.

    The worker is started as a script starts it in the background, and ended as systemd ends it.
    """
    done = workplace.run("deployments.register", "--name", "auto", "--account", "local")
    assert done.code == 0, done.err
    log = workplace.home / "worker.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            ["sh", "-c", f"trap '' INT; exec {sys.executable} -m deployments.worker"],
            cwd=ROOT,
            env=workplace.environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,  # its runs are processes, too, and end with it in any case
        )
        try:
            yield workplace
            process.terminate()
            process.wait(60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def end_schedules(workplace: Workplace) -> None:
    """Let no new look begin, and wait for those under way."""
    for name in ("autoscale", "monitor"):
        words = ("deployment", "schedule", "clear", "-y", f"{name}/auto")
        done = workplace.run("prefect", *words)
        assert done.code == 0, done.err
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


def answered_teardown(workplace: Workplace, **answer: object) -> str:
    """Run the deployment `teardown/auto` and answer its question. Returns: how it ended."""
    (deployment,) = (
        one
        for one in ask(workplace, "deployments/filter")
        if one["entrypoint"] == "flows.teardown.teardown" and one["name"] == "auto"
    )
    run = ask(workplace, f"deployments/{deployment['id']}/create_flow_run")["id"]
    state_of(workplace, run, {"PAUSED"})
    deadline = time.monotonic() + 60
    while "Plan for cluster auto" not in json.dumps(
        ask(workplace, f"flow_runs/{run}/input/filter", {"prefix": "paused", "limit": 10})
    ):
        assert time.monotonic() < deadline, "no plan is shown"
        time.sleep(0.5)
    ask(workplace, f"flow_runs/{run}/resume", {"run_input": answer})
    ended = state_of(workplace, run, {"COMPLETED", "FAILED"})
    return f"{ended['type']}: {ended['message']}"


def state_of(workplace: Workplace, run: str, wanted: set[str]) -> dict[str, str]:
    """Wait for a state of a flow run."""
    deadline = time.monotonic() + 120
    while (state := ask(workplace, f"flow_runs/{run}", verb="GET")["state"])["type"] not in wanted:
        assert time.monotonic() < deadline, state
        time.sleep(0.5)
    return dict(state)


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
    end_schedules(worker)
    before = worker.changes()
    refused = answered_teardown(worker, approve=True, cluster="demo")
    assert refused.startswith("FAILED: ")
    assert "was approved for 'demo', which is another name; nothing was changed" in refused
    assert worker.changes() == before
    assert answered_teardown(worker, approve=True, cluster="auto").startswith("COMPLETED")
    assert worker.cloud()["resources"] == {}
    secret = worker.run("localcloud", "env", "--json").json["QINGCLOUD_SECRET_ACCESS_KEY"]
    for kind in ("deployments", "flow_runs"):
        stored = everything(worker, kind)
        assert "account" in stored
        assert secret not in stored
