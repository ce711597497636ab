"""Which Prefect server is ours: secrets go to it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.prefect_server import (
    find_running_server,
    owners_of,
    refusal,
    running_server,
    server_note,
)
from domain.kernel.errors import Unreachable
from tests.healthy_server import be_another_user, healthy_server


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[int]:
    """The port of a server that answers and is noted as ours."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with healthy_server() as port, temporary_settings(restore_defaults={PREFECT_API_URL}):
        server_note().write_text(json.dumps({"api_url": f"http://127.0.0.1:{port}/api"}))
        yield port


def test_owner_of_a_server_is_read_from_the_kernel(port: int) -> None:
    assert owners_of(port) == {os.getuid()}


def test_the_noted_server_is_used_while_it_is_ours(port: int) -> None:
    assert find_running_server() == running_server() == f"http://127.0.0.1:{port}/api"


def test_whoever_took_the_port_of_our_server_does_not_get_our_secrets(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_another_user(monkeypatch)
    assert find_running_server() == ""
    assert f"user id {os.getuid() - 1}" in refusal(f"http://127.0.0.1:{port}/api")
    with pytest.raises(Unreachable, match="make server"):
        running_server()


def test_a_server_that_is_named_is_used_whosever_it_is(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_another_user(monkeypatch)
    url = f"http://localhost:{port}/api"
    with temporary_settings({PREFECT_API_URL: url}):
        assert running_server() == url


def test_configured_server_that_does_not_answer_is_not_replaced(port: int) -> None:
    named = {PREFECT_API_URL: "http://127.0.0.1:9/api"}
    with temporary_settings(named), pytest.raises(Unreachable, match="PREFECT_API_URL"):
        running_server()


def test_a_system_that_does_not_tell_owners_leaves_us_the_noted_server(
    port: int, tmp_path: Path
) -> None:
    assert find_running_server([tmp_path / "none"]) == f"http://127.0.0.1:{port}/api"


@pytest.mark.parametrize("text", ["", "{}", "[]", "no JSON"])
def test_unreadable_note_names_no_server(port: int, text: str) -> None:
    server_note().write_text(text)
    assert find_running_server() == ""
