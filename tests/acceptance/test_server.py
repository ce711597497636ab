"""The Prefect server that commands find and start: who may read it, and the kinds of blocks."""

import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.workplace import Workplace, ask, clean_environment, free_port

OURS = {"qingcloud-account", "cluster-credentials", "monitoring-database", "dingtalk-robot"}


def kinds(place: Workplace) -> set[str]:
    """The kinds of blocks that the UI has a form for."""
    return {kind["slug"] for kind in ask(place, "block_types/filter")}


def test_an_account_can_be_entered_in_the_ui_of_a_server_that_is_up(workplace: Workplace) -> None:
    url = workplace.environment["PREFECT_API_URL"]
    done = workplace.run("deployments.server", "up")
    assert done.code == 0, done.err
    assert done.err == f"Prefect UI: {url.removesuffix('/api')}, from PREFECT_API_URL\n"
    assert kinds(workplace) >= OURS


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Workplace]:
    """A user's home in which `make server` starts a server."""
    port = {"PREFECT_SERVER_API_PORT": str(free_port())}
    place = Workplace(tmp_path, clean_environment(tmp_path) | port)
    yield place
    assert place.run("deployments.server", "down").code == 0


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_the_server_of_make_server_answers_its_owner_alone(own: Workplace) -> None:
    up = own.run("deployments.server", "up")
    assert up.code == 0, up.err
    waited, *shown = up.err.splitlines()
    assert waited.startswith("Starting the Prefect server")
    page = shown[0].removeprefix("Prefect UI: ")
    auth = next((own.home / ".local/share").glob("*/prefect-auth"))
    assert shown[1] == f"Log in with the text in {auth}"
    assert (mode(auth), mode(auth.parent), mode(own.home / "prefect")) == (0o600, 0o700, 0o700)

    # A warning of the server has a place to go; a pipe that nobody reads would end it.
    process = (own.home / "prefect" / "server.pid").read_text()
    log = auth.with_name("prefect-server.log")
    assert Path(f"/proc/{process}/fd/2").readlink() == log
    assert mode(log) == 0o600

    stranger = {"Origin": "http://evil.example"}
    with httpx.Client(base_url=f"{page}/api") as api:
        for headers in ({}, stranger, {"Host": "evil.example"}, {"Host": "evil.example/health"}):
            refused = api.post("/block_documents/filter", json={}, headers=headers)
            assert refused.status_code == 401
            assert "access-control-allow-origin" not in refused.headers
        known = httpx.BasicAuth(*auth.read_text().strip().split(":"))
        found = api.post("/block_documents/filter", json={}, headers=stranger, auth=known)
        assert found.status_code == 200
        assert "access-control-allow-origin" not in found.headers

    again = own.run("deployments.server", "up")
    assert again.err.splitlines() == shown  # the same server
    exported = dict(
        line.removeprefix("export ").split("=", 1)
        for line in own.run("deployments.server", "env").out.splitlines()
    )
    listed = own.run("prefect", "work-pool", "ls", **exported)
    assert listed.code == 0, listed.err
    assert own.run("localcloud", "up", "--profile", "instant").code == 0
    status = own.run("flows.status", "--name", "ghost")
    assert own.run("localcloud", "down").code == 0
    assert "there is no cluster ghost" in status.sentence
