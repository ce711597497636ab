"""The commands of this room: their arguments, the server that they use, their exit codes."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_API_PORT, temporary_settings

from blocks.prefect_server import answers, noted_server
from deployments import server
from deployments._command import run
from flows._cli.parsing import parse
from tests.healthy_server import be_another_user, healthy_server


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[int]:
    """The port on which Prefect usually answers, with a server that nobody has noted."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with healthy_server() as port:
        usual = {PREFECT_SERVER_API_PORT: port}
        with temporary_settings(usual, restore_defaults={PREFECT_API_URL}):
            yield port


def ended(module: str, *words: str) -> int:
    """The exit code of `python -m deployments.<module> words…`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [module, *words])
        try:
            flags = parse(import_module(f"deployments._flags.{module}").app)
            run(import_module(f"deployments.{module}").main, flags)
        except SystemExit as end:
            return int(end.code or 0)
        return 0


@pytest.mark.parametrize("module", ["server", "register", "worker"])
def test_help_is_printed_and_unknown_arguments_are_refused(
    module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(module, "--help") == 0
    assert f"python -m deployments.{module}" in capsys.readouterr().out
    for word in ("nonsense", "--nonsense"):
        assert ended(module, word) == 2
        error = capsys.readouterr().err
        assert error.startswith("Error: ")
        assert "nonsense" in error


def test_a_server_that_this_user_has_started_is_used_and_noted(
    port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended("server", "status") == 0
    assert capsys.readouterr().err.startswith(f"Prefect UI: http://127.0.0.1:{port}\n")
    assert noted_server() == f"http://127.0.0.1:{port}/api"


def test_a_server_of_another_user_is_not_used_and_the_reason_is_printed(
    port: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    be_another_user(monkeypatch)
    assert ended("server", "status") == 1
    assert "no Prefect server of yours answers" in capsys.readouterr().err
    assert server._port_to_use() != port
    assert "another user's" in capsys.readouterr().err
    assert noted_server() == ""


def test_a_configured_server_is_used_and_not_noted(
    port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with temporary_settings({PREFECT_API_URL: f"http://localhost:{port}/api"}):
        assert ended("server", "status") == 0
    assert "from PREFECT_API_URL" in capsys.readouterr().err
    assert noted_server() == ""


def test_a_remote_configured_server_that_does_not_answer_is_not_replaced(
    port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.2:9/api"}):
        assert ended("server", "up") == 2
    assert "PREFECT_API_URL" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_local_configured_server_is_started_at_its_address(port: int, host: str) -> None:
    with temporary_settings({PREFECT_API_URL: f"http://{host}:{port + 1}/api"}):
        assert server._port_to_use() == port + 1


def test_the_port_of_a_server_that_has_just_ended_is_used_again() -> None:
    with healthy_server() as port:
        assert answers(f"http://127.0.0.1:{port}/api")  # a connection that lingers afterwards
    with temporary_settings({PREFECT_SERVER_API_PORT: port}):
        assert server._free_port() == port


def test_a_server_that_is_not_prefect_is_reported_in_one_sentence(
    port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended("register") == 2  # nobody has noted it
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
        assert ended("server", "up") == 1
    first, second = capsys.readouterr().err.splitlines()[:2]
    assert first == "Error: no Prefect server answers; start one with: make server"
    assert second.startswith("Error: the Prefect server failed")
