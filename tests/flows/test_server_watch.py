"""A Prefect server that goes away in the middle of a command, or is not ours."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import pytest
from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

from blocks.prefect_server import server_note
from flows._cli.server import _served_by, listens, prefect_server, watched
from tests.healthy_server import be_another_user, healthy_server

RUN = """
import sys
from flows._cli.server import prefect_server

with prefect_server(print, debug=False):
    print("begun", flush=True)
    sys.stdin.readline()
    raise OSError("all connection attempts failed")
"""


WAITING_RUN = """
import sys, time
from functools import partial
from flows._cli.command import reporting
from flows._cli.server import _end, watched

gone = partial(_end, sys.argv[1])
with (
    watched(sys.argv[1], gone, patience=0.0, every=0.05),
    reporting(lambda: print("billed: i-1", file=sys.stderr)),
):
    print("begun", flush=True)
    time.sleep(60)
"""


def test_a_lost_server_is_reported_once() -> None:
    gone, told = Event(), list[str]()

    def tell() -> None:
        told.append("gone")
        gone.set()

    with healthy_server() as port:
        url = f"http://127.0.0.1:{port}/api"
        assert listens(url)
        with watched(url, tell, patience=0.0, every=0.001):
            assert not gone.wait(0.05)
    assert not listens(url)
    with watched(url, tell, patience=0.0, every=0.001):
        assert gone.wait(10)
    assert told == ["gone"]


def test_a_run_that_fails_without_its_server_names_the_remedy() -> None:
    with healthy_server() as port:
        url = f"http://127.0.0.1:{port}/api"
        process = subprocess.Popen(
            [sys.executable, "-c", RUN],
            env={**os.environ, "PREFECT_API_URL": url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
    _, error = process.communicate("\n", timeout=60)
    assert process.returncode == 1
    assert error.startswith(f"Error: the Prefect server at {url} was lost")
    assert error.endswith("the same command then continues where this one ended\n")
    assert error.count("\n") == 1


def test_billed_resources_are_reported_when_the_server_is_lost_while_a_run_waits() -> None:
    with healthy_server() as port:
        url = f"http://127.0.0.1:{port}/api"
        process = subprocess.Popen(
            [sys.executable, "-c", WAITING_RUN, url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    told, sentence = error.splitlines()
    assert told == "billed: i-1"
    assert sentence.startswith(f"Error: the Prefect server at {url} was lost")


def test_a_command_reports_that_the_server_on_our_port_is_another_user_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    said = list[str]()
    with healthy_server() as port, temporary_settings(restore_defaults={PREFECT_API_URL}):
        url = f"http://127.0.0.1:{port}/api"
        server_note().write_text(json.dumps({"api_url": url}))
        be_another_user(monkeypatch)
        with prefect_server(said.append, debug=False):
            assert PREFECT_API_URL.value() is None
    assert [url in words and "another user's" in words for words in said] == [True]


def test_a_command_without_any_server_starts_one_without_analytics(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    said = list[str]()
    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        prefect_server(said.append, debug=False),
    ):
        told = get_current_settings().to_environment_variables(exclude_unset=True)
        assert said == []
        assert told["PREFECT_SERVER_ANALYTICS_ENABLED"] == "False"


def test_a_server_behind_a_proxy_is_not_watched() -> None:
    url = "http://127.0.0.1:9/api"
    assert not listens(url)
    served = _served_by(url, debug=False, lasting=False)
    with pytest.raises(OSError, match="the run's own"), served:
        raise OSError("the run's own")


def test_a_lasting_command_continues_without_its_server() -> None:
    with ExitStack() as stack:
        with healthy_server() as port:
            url = f"http://127.0.0.1:{port}/api"
            stack.enter_context(_served_by(url, debug=False, lasting=True))
        assert not listens(url)
        with pytest.raises(OSError, match="looked once more"), stack.pop_all():
            raise OSError("looked once more")
