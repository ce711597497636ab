"""Metrics of a cluster: in its status, in the database, and with a failed part."""

import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.workplace import Workplace

KUBECTL = shutil.which("kubectl")
MONITORS = [
    {"name": "nginxContainers", "script": "docker ps | grep -v POD | grep nginx | wc -l"},
    {"name": "hangs", "script": "sleep 60", "timeout": 1},
    {"name": "loud", "script": "yes"},
    {"name": "text", "script": "echo all is well"},
    # What it asks exists on the master alone.
    {"name": "half", "script": 'wc -l < "$SYSROOT/etc/kubernetes/admin.conf"'},
    {"name": "half", "script": "echo 1", "group": "k8s-master"},
]


@pytest.fixture(scope="module")
def cluster(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A cluster with custom monitors, good and bad ones."""
    file = tmp_path_factory.mktemp("spec") / "demo.yaml"
    file.write_text(yaml.safe_dump({"monitoring": {"custom": MONITORS}}))
    done = workplace.run("flows.provision", "--file", str(file), "--json")
    assert done.code == 0, done.err
    yield workplace
    assert workplace.run("flows.teardown", "--yes").code == 0


@pytest.fixture(scope="module")
def exposition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prometheus") / "metrics.prom"


@pytest.fixture(scope="module")
def report(cluster: Workplace, kubeconfig: Path, exposition: Path) -> Any:
    """One collection after the article's burst, which is made as a person types it."""
    if KUBECTL is None:
        pytest.skip("no kubectl on PATH")
    for words in (
        ("create", "deployment", "my-nginx", "--image=nginx", "--replicas=50"),
        ("rollout", "status", "deployment/my-nginx", "--timeout=60s"),
    ):
        command = [KUBECTL, "--kubeconfig", str(kubeconfig), *words]
        subprocess.run(command, check=True, timeout=90, capture_output=True)
    return cluster.run("flows.monitor", "--json", "--prometheus", str(exposition)).json


def rows(workplace: Workplace, question: str) -> list[tuple[Any, ...]]:
    """Ask the database as a person would."""
    (file,) = workplace.home.rglob("samples.db")
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(question).fetchall()


def nodes_of(report: Any) -> dict[str, dict[str, float]]:
    """The metrics of the workers by name."""
    return {one["name"]: one["metrics"] for one in report["machines"] if one["group"] == "k8s-node"}


def test_fifty_pods_are_seen_in_status_database_and_exposition(
    cluster: Workplace, report: Any, exposition: Path
) -> None:
    counted = {name: metrics["podsNum"] for name, metrics in nodes_of(report).items()}
    assert sum(counted.values()) == 53  # with the demo's three
    assert min(counted.values()) >= 20

    status = cluster.run("flows.status", "--json").json
    workers = [node for node in status["nodes"] if node["group"] == "k8s-node"]
    assert {node["name"]: node["metrics"]["podsNum"] for node in workers} == counted
    assert all(node["metrics"]["ready"] == 1.0 for node in workers)

    kept = rows(
        cluster,
        "SELECT machine, value FROM samples s WHERE metric = 'podsNum' AND time = "
        "(SELECT max(time) FROM samples WHERE metric = 'podsNum') AND \"group\" = 'k8s-node'",
    )
    assert dict(kept) == counted

    families = {one.name: one for one in text_string_to_metric_families(exposition.read_text())}
    exposed = families["k8s_qingcloud_pods_num"].samples
    of_nodes = [one for one in exposed if one.labels["group"] == "k8s-node"]
    assert {one.labels["machine"]: one.value for one in of_nodes} == counted


def test_a_script_with_docker_ps_counts_and_failing_ones_only_leave_gaps(
    cluster: Workplace, report: Any
) -> None:
    nodes = nodes_of(report)
    assert sum(metrics["nginxContainers"] for metrics in nodes.values()) == 53
    for name, metrics in nodes.items():
        assert metrics["memoryRequested"] > 0
        reasons = {gap["metric"]: gap["reason"] for gap in report["gaps"] if gap["machine"] == name}
        assert "did not end in time" in reasons["hangs"]
        assert "more than 4096 bytes" in reasons["loud"]
        assert "3 words instead of one number" in reasons["text"]
        assert "ended with exit code" in reasons["half"]
    (master,) = (one for one in report["machines"] if one["group"] == "k8s-master")
    assert master["metrics"]["half"] == 1.0
    assert {metric for (metric,) in rows(cluster, "SELECT DISTINCT metric FROM gaps")} >= {
        "hangs",
        "loud",
        "text",
        "half",
    }


def test_a_monitor_that_measures_nothing_is_not_added(cluster: Workplace, tmp_path: Path) -> None:
    script = tmp_path / "two.sh"
    script.write_text("echo 1 2")
    done = cluster.run("flows.monitor", "add", "two", "--script", str(script))
    assert done.code == 2
    assert "2 words instead of one number" in done.sentence
    stored = cluster.run("flows.monitor", "list", "--json").json["monitors"]
    assert "two" not in {one["name"] for one in stored}
    assert len(stored) == len(MONITORS)


def test_a_lost_database_fails_visibly_and_changes_nothing_else(
    cluster: Workplace, tmp_path: Path
) -> None:
    url = "postgresql+psycopg://somebody:unspoken@127.0.0.1:9/samples"
    done = cluster.run("flows.monitor", "--json", SAMPLES_URL=url)
    assert done.code == 1
    assert "127.0.0.1:9/samples does not answer" in done.sentence
    assert "then run the same command again" in done.sentence
    assert "unspoken" not in done.err + done.out
    failed = re.findall(r"^✗ +[\d.]+ s +(\w+) of demo ", done.err, re.MULTILINE)
    assert failed == ["samples", "alarms"]
    report = json.loads(done.out)
    assert all("podsNum" in metrics for metrics in nodes_of(report).values())
    assert report["database"] == ""
    assert any(
        gap["metric"] == "all samples" and "does not answer" in gap["reason"]
        for gap in report["gaps"]
    )
    page = tmp_path / "report.html"
    drawn = cluster.run("flows.dashboard", "--out", str(page), SAMPLES_URL=url)
    assert drawn.code == 1
    assert "127.0.0.1:9/samples does not answer" in drawn.sentence
    assert "does not answer" in page.read_text()


def test_a_locked_database_fails_visibly(cluster: Workplace, report: Any) -> None:
    (file,) = cluster.home.rglob("samples.db")
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        done = cluster.run("flows.monitor")
    assert done.code == 1
    assert "database is locked" in done.sentence
    assert "NOT KEPT" in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_prometheus_can_read_what_a_watch_measures(
    cluster: Workplace, report: Any, number: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    watch = cluster.start("flows.monitor", "--watch", "--listen", port)
    try:
        text = scraped(f"http://127.0.0.1:{port}/metrics", watch)
    finally:
        watch.send_signal(number)
        _, err = watch.communicate(timeout=60)
    assert watch.returncode == 0, err
    families = {one.name: one for one in text_string_to_metric_families(text)}
    pods = families["k8s_qingcloud_pods_num"].samples
    names = {one.labels["machine"] for one in pods if one.labels["group"] == "k8s-node"}
    assert names == set(nodes_of(report))


def scraped(url: str, watch: subprocess.Popen[str]) -> str:
    """The page, as soon as the first collection has filled it."""
    deadline = time.monotonic() + 120
    while watch.poll() is None and time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            reply = httpx.get(url, trust_env=False)
            if reply.status_code == 200:
                return reply.text
        time.sleep(0.2)
    raise AssertionError(f"{url} showed nothing; the watch's exit code is {watch.poll()}")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param("--watch --json", "--json measures once", id="a picture and a document"),
        pytest.param("--every 30", "--every needs --watch", id="a pace for one measurement"),
        pytest.param("--listen 0", "--listen needs --watch", id="a page of one measurement"),
        pytest.param("--watch --every 4", "not between 5 and 3600", id="too often"),
        pytest.param(
            "--test-notification --every 30", "without other flags", id="a test with a pace"
        ),
    ],
)
def test_flags_that_do_not_go_together_are_refused(
    workplace: Workplace, words: str, sentence: str
) -> None:
    done = workplace.run("flows.monitor", *words.split())
    assert done.code == 2
    assert sentence in done.sentence


def test_a_file_for_prometheus_that_cannot_be_written_is_refused_before_anything_happens(
    cluster: Workplace, report: Any, tmp_path: Path
) -> None:
    count = rows(cluster, "SELECT count(*) FROM samples")
    (tmp_path / "folder").mkdir()
    for file in ("/proc/metrics.prom", f"{tmp_path}/none/metrics.prom", f"{tmp_path}/folder"):
        done = cluster.run("flows.monitor", "--prometheus", file)
        assert done.code == 2
        assert f"{file} cannot be written" in done.sentence
        assert "samples of demo" not in done.err
    assert rows(cluster, "SELECT count(*) FROM samples") == count
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_machine_that_does_not_answer_is_a_gap_and_the_others_are_measured(
    cluster: Workplace, report: Any
) -> None:
    dead, living = sorted(nodes_of(report))
    instance = f"i-{dead.removeprefix('k8s-node-')}"
    assert cluster.run("localcloud", "fault", "dies", "--machine", instance).code == 0
    later = cluster.run("flows.monitor", "--json").json
    cluster.run("localcloud", "fault", "clear")
    assert any(
        gap["machine"] == dead and gap["metric"] == "nginxContainers" and "reached" in gap["reason"]
        for gap in later["gaps"]
    )
    latest = rows(
        cluster,
        f"SELECT max(time) FROM samples WHERE metric = 'nginxContainers' AND machine = '{living}'",
    )
    assert latest == [(later["time"].replace("T", " ").removesuffix("+00:00"),)]
