"""The served page of charts: to whom it answers, and what a browser makes of it."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread

import pytest

from domain.reports.dashboard.page import Look, write_page
from domain.reports.dashboard.records import Dashboard
from flows._cli.page_server import PageServer
from tests.acceptance.browser import CHROMIUM, DRIVER, chromium
from tests.domain.reports.dashboard.board_makers import make_board, make_busy_board

AUTH = "admin:a b:c"


@contextmanager
def serving(board: Dashboard, language: str = "", refresh: int = 0) -> Iterator[PageServer]:
    def write(nonce: str) -> str:
        return write_page(board, Look(language, refresh, nonce))

    server = PageServer(0, AUTH, write)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        with server:
            yield server
    finally:
        server.shutdown()
        thread.join()


@pytest.fixture
def server() -> Iterator[PageServer]:
    with serving(make_board()) as server:
        yield server


def ask(server: PageServer, path: str = "/", **headers: str) -> tuple[HTTPResponse, str]:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    try:
        connection.request("GET", path, headers=headers)
        reply = connection.getresponse()
        return reply, reply.read().decode()
    finally:
        connection.close()


def basic(auth: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(auth.encode()).decode()}"}


def test_page_is_for_those_who_know_the_servers_auth(server: PageServer) -> None:
    reply, page = ask(server, **basic(AUTH))
    assert (reply.status, "Cluster" in page) == (200, True)
    assert reply.headers["Cache-Control"] == "no-store"
    assert f"'nonce-{server.nonce}'" in reply.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (basic("admin:another"), 401),
        ({"Authorization": "Bearer x"}, 401),
        (basic(AUTH) | {"Host": "stranger.example"}, 421),
        (basic(AUTH) | {"Host": "127.0.0.1:1"}, 421),
    ],
)
def test_strangers_are_refused(server: PageServer, headers: dict[str, str], status: int) -> None:
    reply, text = ask(server, **headers)
    assert reply.status == status
    assert "demo" not in text


def test_there_is_one_page(server: PageServer) -> None:
    assert ask(server, "/secrets", **basic(AUTH))[0].status == 404
    assert ask(server, "/../etc/passwd", **basic(AUTH))[0].status == 404


def test_page_is_written_with_the_settings_of_its_command() -> None:
    asked = ContextVar("asked", default="nothing")
    token = asked.set("the server that was found")
    try:
        server = PageServer(0, AUTH, lambda _: asked.get())
    finally:
        asked.reset(token)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        assert ask(server, **basic(AUTH))[1] == "the server that was found"
    finally:
        server.shutdown()
        server.server_close()


def test_page_that_cannot_be_written_is_an_error_and_then_written() -> None:
    attempts = iter((OSError("the database is away"), "page"))

    def write(_: str) -> str:
        found = next(attempts)
        if isinstance(found, str):
            return found
        raise found

    server = PageServer(0, AUTH, write)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        reply, text = ask(server, **basic(AUTH))
        assert (reply.status, "the database is away" in text) == (503, True)
        assert ask(server, **basic(AUTH))[1] == "page"
        assert ask(server, **basic(AUTH))[1] == "page"  # kept for some seconds
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.browser
@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver")
def test_page_in_a_browser(tmp_path: Path) -> None:
    """Charts, values under the pointer, language, appearance, range, refresh."""
    with (
        serving(make_busy_board(), refresh=3) as server,
        chromium(server.url.rstrip("/"), tmp_path) as page,
    ):
        page.visit(server.url.replace("//", "//admin:a%20b%3Ac@"))
        page.see("Cluster demo", "pods wait for room", "broken: stopped for 12 minutes")
        page.see_drawing(".chart canvas")
        drawn = len(page.all(".chart canvas"))
        assert drawn == 4
        page.point_at(".chart .u-over")
        page.see("k8s-node-00000001", "31 % (27.9 % … 34.1 %)")
        page.click("#language")
        page.see("集群 demo", "CPU 使用率（%）", "伸缩记录", "故障")
        page.click("#theme")
        assert page.run("return document.documentElement.dataset.theme") == "dark"
        page.click("[data-hours='1']")
        page.run("document.getElementById('tiles').replaceChildren()")
        page.see("个告警")  # written again by the refresh, in the language that was chosen
        assert len(page.all(".chart canvas")) == drawn
        assert page.run("return document.getElementById('stale').hidden") is True
