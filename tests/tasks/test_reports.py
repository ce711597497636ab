import re
from base64 import b64decode
from collections.abc import Iterator
from threading import Thread
from xml.etree import ElementTree

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from domain.kernel.names import ClusterId
from domain.reports.cluster import ClusterReport, Endpoint, Timeline
from tasks.reports import Progress, artifact_key, as_markdown, publish_report
from tests.report_makers import make_machine, make_many, make_node, make_report, make_step

RUN = Timeline("Provision", (make_step("network", 0, 12, "created rtr-1"),))


@pytest.fixture(scope="module")
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=90):
        yield


def read_artifact(key: str) -> Artifact:
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        [artifact] = client.read_artifacts(artifact_filter=wanted)
    return artifact


def test_report_lists_the_endpoints() -> None:
    text = as_markdown(make_report(), RUN)
    assert text.startswith("# Cluster demo\n")
    assert "| Kubernetes API | `https://127.0.16.1:8080` | ✓ ready |" in text
    assert "| Web UI | <https://127.0.16.1:8443> | ✓ ready |" in text
    assert "`127.0.16.1:10022`" in text


def test_report_has_a_row_for_each_machine() -> None:
    text = as_markdown(make_report(nodes=(make_node("k8s-node-a", pods=7),)), RUN)
    assert (
        "| `k8s-node-a` | k8s-node | `192.168.1.3` | s1.large.r2 | Ready | 7 of 40 | v1.36.4 |"
        in text
    )
    assert "| `k8s-node-b` | k8s-node | `192.168.1.4` | s1.large.r2 | no node |" in text


def test_pictures_are_data_uris_that_hold_svg() -> None:
    text = as_markdown(make_report(), RUN)
    pictures = re.findall(r"!\[[^\n]*\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", text)
    assert len(pictures) == 2
    for picture in pictures:
        assert ElementTree.fromstring(b64decode(picture)).tag.endswith("svg")


def test_report_names_what_failed_in_full() -> None:
    message = "apt-get ended with exit code 100: " + "the mirror does not answer " * 9
    text = as_markdown(
        make_report(), Timeline("Run", (make_step("install", 0, 5, message, failed=True),))
    )
    assert f"**install** after 5.0 s: {message.strip()}" in text


def test_names_cannot_break_the_markdown() -> None:
    machine = make_machine("a|b`c", group="<img src=x>|", status="x\ny")
    text = as_markdown(make_report(machines=(machine,), nodes=()), RUN)
    [row] = [line for line in text.splitlines() if "a\\|b'c" in line]
    assert len(re.findall(r"(?<!\\)\|", row)) == 8
    assert "\\<img src=x\\>\\|" in row


def test_long_table_is_cut_and_counted() -> None:
    text = as_markdown(make_many(230), RUN)
    assert text.count("| `k8s-node-") == 200
    assert "… and 30 more: 30 Ready" in text


def test_report_of_an_empty_cluster_is_readable() -> None:
    nothing = ClusterReport("demo", "local1", Endpoint("", ready=False), Endpoint("", ready=False))
    text = as_markdown(nothing, Timeline("Teardown"))
    assert "| Web UI |  | not published |" in text
    assert "There is no machine." in text


@pytest.mark.parametrize(
    ("name", "key"), [("demo", "cluster-demo"), ("A_b.c", "cluster-a-b-c"), ("演示", "cluster")]
)
def test_key_holds_only_what_prefect_accepts(name: str, key: str) -> None:
    assert artifact_key("cluster", name) == key


@pytest.mark.usefixtures("prefect_server")
def test_published_report_can_be_read_back_under_its_key() -> None:
    flow(publish_report)(make_report(cluster="demo-1"), RUN, "demo-1-1a2b3c4d")
    artifact = read_artifact("cluster-demo-1-1a2b3c4d")
    assert artifact.type == "markdown"
    assert artifact.data == as_markdown(make_report(cluster="demo-1"), RUN)
    assert artifact.description == "Cluster demo-1: 3 Ready"


@pytest.mark.usefixtures("prefect_server")
def test_progress_counts_steps_that_finish_in_several_threads() -> None:
    @flow
    def run() -> None:
        progress = Progress(ClusterId("demo-2", "demo-2-1a2b3c4d"), total=8)
        threads = [Thread(target=progress.finished, args=(f"step {n}", "", 1.0)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        progress.failed("step 9", "no", 1.0)

    run()
    artifact = read_artifact("progress-demo-2-1a2b3c4d")
    assert artifact.data == 50.0
    assert artifact.description == "4 of 8 steps, last: step 9 (failed)"
    assert artifact.flow_run_id is not None


@pytest.mark.usefixtures("prefect_server")
def test_progress_without_a_server_does_not_end_the_run() -> None:
    @flow
    def run() -> float:
        # A closed port of this machine: the connection is refused at once.
        with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
            progress = Progress(ClusterId("demo-3", "demo-3-1a2b3c4d"), total=1)
            progress.finished("network", "created", 1.0)
        return progress.percent

    assert run() == 100.0
