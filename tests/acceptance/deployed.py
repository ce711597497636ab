"""Runs of deployments: the worker that carries them out, their states, and their questions."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote

from tests.acceptance.workplace import ROOT, Workplace, ask

ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@contextmanager
def working(place: Workplace, **variables: str) -> Iterator[None]:
    """Run a worker as a script starts it in the background, and end it as systemd does."""
    log = place.home / "worker.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            ["sh", "-c", f"trap '' INT; exec {sys.executable} -m deployments.worker"],
            cwd=ROOT,
            env=place.environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,  # its runs are processes, too, and end with it in any case
        )
        try:
            yield
            process.terminate()
            process.wait(60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
    for one in ask(place, "work_pools/qingcloud/workers/filter"):  # it counts as online for a while
        path = f"work_pools/qingcloud/workers/{quote(one['name'])}"
        ask(place, path, verb="DELETE")


def end_schedules(place: Workplace, cluster: str) -> None:
    """Let no scheduled run of a cluster begin any more."""
    for name in ("autoscale", "monitor"):
        done = place.run("prefect", "deployment", "schedule", "clear", "-y", f"{name}/{cluster}")
        assert done.code == 0, done.err


def find_deployment(place: Workplace, flow: str, cluster: str) -> dict[str, Any]:
    return next(
        one
        for one in ask(place, "deployments/filter")
        if one["entrypoint"] == f"flows.{flow}.{flow}" and one["name"] == cluster
    )


def start_run(place: Workplace, flow: str, cluster: str, **parameters: Any) -> str:
    """Start a run as the form of the UI does. Returns: its id."""
    deployment = find_deployment(place, flow, cluster)
    path = f"deployments/{deployment['id']}/create_flow_run"
    given = {**deployment["parameters"], **parameters}
    return str(ask(place, path, {"parameters": given, "enforce_parameter_schema": True})["id"])


def state_of(place: Workplace, run: str, wanted: set[str]) -> dict[str, str]:
    """Wait for a state of a run; one that it ends in counts, too."""
    deadline = time.monotonic() + 120
    while (state := ask(place, f"flow_runs/{run}", verb="GET")["state"])["type"] not in wanted:
        assert state["type"] not in ENDED, state
        assert time.monotonic() < deadline, state
        time.sleep(0.3)
    return dict(state)


def ending_of(place: Workplace, run: str) -> str:
    """Wait for the end of a run. Returns: its state and message."""
    state = state_of(place, run, ENDED)
    return f"{state['type']}: {state['message']}"


def question_of(place: Workplace, run: str) -> str:
    """Wait until a run asks. Returns: the text above its form."""
    state_of(place, run, {"PAUSED"})
    deadline = time.monotonic() + 60
    path, page = f"flow_runs/{run}/input/filter", {"prefix": "paused", "limit": 10}
    while not (texts := [one["value"] for one in ask(place, path, page) if _is_text(one)]):
        assert time.monotonic() < deadline, run
        time.sleep(0.3)
    return str(json.loads(texts[0]))


def _is_text(stored: dict[str, Any]) -> bool:
    return str(stored["key"]).endswith("description")


def answer(place: Workplace, run: str, **given: Any) -> str:
    """Answer the question of a run. Returns: how the run then ended."""
    question_of(place, run)
    ask(place, f"flow_runs/{run}/resume", {"run_input": given})
    return ending_of(place, run)
