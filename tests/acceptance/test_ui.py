"""The Prefect UI in a browser: logos, a form, a run, its artifacts, an approval."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.looks import LOGOS
from tests.acceptance.browser import CHROMIUM, DRIVER, Page, chromium
from tests.acceptance.deployed import (
    end_schedules,
    ending_of,
    find_deployment,
    start_run,
    state_of,
    working,
)
from tests.acceptance.workplace import Workplace, ask, clean_environment, free_port

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver, as .ci/run installs"
    ),
]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    """A home with the server of `make server`, a local cloud, deployments and a worker."""
    port = free_port()
    plain = clean_environment(tmp_path) | {"PREFECT_SERVER_API_PORT": str(port)}
    place = Workplace(tmp_path, plain)
    assert place.run("deployments.server", "up").code == 0
    try:
        assert place.run("localcloud", "up", "--profile", "instant").code == 0
        done = place.run("deployments.register", "--name", "web", "--account", "local")
        assert done.code == 0, done.err
        auth = next((tmp_path / ".local/share").glob("*/prefect-auth")).read_text().strip()
        server = {
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_API_AUTH_STRING": auth,
        }
        place = Workplace(tmp_path, plain | server)
        end_schedules(place, "web")
        with working(place, PREFECT_WORKER_QUERY_SECONDS="1"):
            yield place
    finally:
        place.run("localcloud", "down")
        assert Workplace(tmp_path, plain).run("deployments.server", "down").code == 0


@pytest.fixture
def page(place: Workplace, tmp_path: Path) -> Iterator[Page]:
    url = place.environment["PREFECT_API_URL"].removesuffix("/api")
    with chromium(url, tmp_path) as page:
        page.log_in(place.environment["PREFECT_API_AUTH_STRING"])
        yield page


def see_logos(page: Page) -> None:
    page.open("blocks/catalog")
    page.see("QingCloud Account", "WeCom Robot")
    wanted = {file.name for file in LOGOS.iterdir()}
    assert {src.rpartition("/")[2] for src in page.loaded_pictures("/k8s-qingcloud/")} == wanted
    page.write("input[placeholder='Search blocks']", "robot")
    page.see("3 Blocks", "Feishu Robot")
    page.loaded_pictures("feishu-robot.png")
    page.keep("blocks")


def provision_by_form(place: Workplace, page: Page) -> str:
    """Fill in two fields, and submit. Returns: the id of the run."""
    deployment = find_deployment(place, "provision", "web")["id"]
    page.open(f"deployments/deployment/{deployment}/run")
    page.see("Number of machines", "local")  # the account of the deployment is chosen
    page.choose("button[role=tab]", "int", 0)  # count
    page.write("input[type=number]", "1")
    page.choose("button[role=tab]", "int", 2)  # maximum
    page.write("input[type=number]", "4", 1)
    page.keep("form")
    wanted = {"flow_runs": {"deployment_id": {"any_": [deployment]}}}
    page.submit("button[type=submit]", "Submit", lambda: ask(place, "flow_runs/filter", wanted))
    (run,) = ask(place, "flow_runs/filter", wanted)
    given = run["parameters"]["spec"]["nodes"]
    assert (given["count"], given["minimum"], given["maximum"]) == (1, None, 4)
    return str(run["id"])


def answer_in_dialog(page: Page, run: str, name: str) -> None:
    """Approve with this name, in the dialog that *Resume* opens."""
    page.open(f"runs/flow-run/{run}")
    page.see("Paused", "cluster:web")
    page.click("button[aria-haspopup=menu]")
    page.choose("[role=menuitem]", "Resume")
    page.see("Plan for cluster web", "yuan an hour", "typed as a proof")
    page.click("[role=dialog] [role=switch]")
    page.write("[role=dialog] textarea", name)
    page.keep("approval")
    page.submit("[role=dialog] button", "Resume", lambda: not page.all("[role=dialog]"))


@pytest.mark.timeout(300)
def test_a_cluster_s_life_in_the_browser(place: Workplace, page: Page) -> None:
    see_logos(page)
    run = provision_by_form(place, page)
    assert ending_of(place, run).startswith("COMPLETED")
    page.open(f"runs/flow-run/{run}")
    page.see("provision web", "cluster:web", "Completed", "Task runs")
    page.see_drawing("canvas")  # the graph of its steps
    page.keep("run")
    page.choose("[role=tab]", "Artifacts")
    page.see("machines-web")
    page.open("artifacts")
    page.see("machines-web", "2 Ready")
    page.keep("artifacts")

    before = place.changes()
    refused = start_run(place, "teardown", "web")
    state_of(place, refused, {"PAUSED"})
    answer_in_dialog(page, refused, "wbe")
    assert "another name; nothing was changed" in ending_of(place, refused)
    assert place.changes() == before
    approved = start_run(place, "teardown", "web")
    state_of(place, approved, {"PAUSED"})
    answer_in_dialog(page, approved, "web")
    assert ending_of(place, approved).startswith("COMPLETED")
    assert place.cloud()["resources"] == {}
