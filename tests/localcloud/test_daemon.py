"""The daemon as users run it: through `python -m localcloud`, in a folder of its own."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from localcloud.home import Home
from tests.localcloud.vendor_client import Connections, connect

REPOSITORY = Path(__file__).resolve().parents[2]
DEADLINE = 90


class Folder:
    """A state folder, and the command line that works on it."""

    def __init__(self, root: Path, connections: Connections) -> None:
        self.home = Home(root)
        self.connections = connections
        self.environment = os.environ | {"LOCALCLOUD_HOME": str(root)}

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "localcloud", *words],
            cwd=REPOSITORY,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        process = self.start(*words)
        stdout, stderr = process.communicate(timeout=DEADLINE)
        return process.returncode, stdout, stderr

    def ok(self, *words: str) -> str:
        code, stdout, stderr = self.run(*words)
        assert code == 0, stderr
        return stdout

    def pid(self) -> int:
        running = self.home.read_running()
        assert running is not None
        return running.pid

    def status(self) -> Any:
        return json.loads(self.ok("status", "--json"))

    def sdk(self) -> Any:
        variables = json.loads(self.ok("env", "--json"))
        endpoint, key_id, secret, zone = (
            variables[f"QINGCLOUD_{name}"]
            for name in ("ENDPOINT", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "ZONE")
        )
        assert urlsplit(endpoint).path == "/iaas/"
        return connect(endpoint, key_id, secret, zone, self.connections)


@pytest.fixture
def folder(tmp_path: Path, connections: Connections) -> Iterator[Folder]:
    folder = Folder(tmp_path / "cloud", connections)
    yield folder
    folder.ok("down")


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """A running cloud, shared by tests that leave it running."""
    folder = Folder(tmp_path_factory.mktemp("standing") / "cloud", Connections())
    folder.ok("up", "--profile", "instant")
    yield folder
    folder.ok("down")


def test_cloud_starts_answers_the_sdk_and_ends(folder: Folder) -> None:
    assert "runs now" in folder.ok("up", "--profile", "instant")
    (zone,) = folder.sdk().describe_zones()["zone_set"]
    assert zone["status"] == "active"
    tag = folder.sdk().create_tag("demo")
    assert folder.status() == {
        "running": True,
        "endpoint": json.loads(folder.ok("env", "--json"))["QINGCLOUD_ENDPOINT"],
        "profile": "instant",
        "resources": {"tag": 1},
        "calls": {"CreateTag": 1, "DescribeZones": 1},
    }
    assert tag["ret_code"] == 0
    folder.ok("reset")
    seen = folder.status()
    assert (seen["resources"], seen["calls"]) == ({}, {})
    folder.ok("down")
    assert folder.status()["running"] is False
    assert folder.home.read_running() is None


def test_four_concurrent_starts_result_in_one_daemon(folder: Folder) -> None:
    starts = [folder.start("up", "--profile", "instant", "--json") for _ in range(4)]
    outputs = [start.communicate(timeout=DEADLINE) for start in starts]
    assert [start.returncode for start in starts] == [0] * 4, outputs
    documents = [json.loads(stdout) for stdout, _ in outputs]
    assert sorted(document["started"] for document in documents) == [False, False, False, True]
    assert len({document["endpoint"] for document in documents}) == 1


def test_second_start_finds_the_first_and_refuses_another_profile(standing: Folder) -> None:
    pid = standing.pid()
    assert "was running already" in standing.ok("up")
    code, stdout, stderr = standing.run("up", "--profile", "realistic")
    assert (code, stdout) == (2, "")
    assert "instant" in stderr
    assert standing.pid() == pid


def test_killed_daemon_is_noticed_and_the_next_one_resumes(folder: Folder) -> None:
    folder.ok("up", "--profile", "instant", "--seed", "7")
    variables = folder.ok("env", "--json")
    tag = folder.sdk().create_tag("demo")["tag_id"]
    (folder.home.machines / "i-stale").mkdir()
    killed = folder.pid()
    os.kill(killed, signal.SIGKILL)
    assert folder.status()["running"] is False
    code, _, stderr = folder.run("up")
    assert code == 0
    assert "continues where it was" in stderr
    assert folder.pid() != killed
    assert not (folder.home.machines / "i-stale").exists()
    assert folder.ok("env", "--json") == variables
    seen = folder.status()
    assert (seen["profile"], seen["resources"]) == ("instant", {"tag": 1})
    assert seen["calls"] == {"CreateTag": 1}
    folder.connections.close()  # to the killed daemon
    assert folder.sdk().create_tag("another")["tag_id"] != tag


def test_stopped_cloud_keeps_its_resources_until_reset(folder: Folder) -> None:
    folder.ok("up", "--profile", "instant")
    variables = folder.ok("env", "--json")
    folder.sdk().create_tag("demo")
    folder.ok("down")
    folder.ok("up")
    assert folder.status()["resources"] == {"tag": 1}
    folder.ok("down")
    assert folder.ok("reset") == "The local cloud is empty.\n"
    folder.ok("up")
    seen = folder.status()
    assert (seen["resources"], seen["calls"]) == ({}, {})
    assert folder.ok("env", "--json") == variables


def test_state_of_another_version_is_refused_with_a_remedy(folder: Folder) -> None:
    folder.ok("up", "--profile", "instant")
    folder.ok("down")
    with sqlite3.connect(folder.home.database) as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    code, stdout, stderr = folder.run("up")
    assert (code, stdout) == (1, "")
    assert "its layout is 99" in stderr
    assert "python -m localcloud reset" in stderr
    folder.ok("reset")
    folder.ok("up")


def test_two_folders_are_two_clouds(folder: Folder, standing: Folder) -> None:
    folder.ok("up", "--profile", "instant")
    assert folder.status()["endpoint"] != standing.status()["endpoint"]
    folder.ok("down")
    assert standing.status()["running"] is True


def test_secrets_are_readable_by_the_owner_only(standing: Folder) -> None:
    secret = json.loads(standing.ok("env", "--json"))["QINGCLOUD_SECRET_ACCESS_KEY"]
    for name in ("daemon.json", "credentials.json", "daemon.log"):
        assert (standing.home.root / name).stat().st_mode & 0o777 == 0o600, name
    assert standing.home.root.stat().st_mode & 0o777 == 0o700
    assert secret not in standing.home.log.read_text()


def test_environment_is_printed_for_a_shell(standing: Folder) -> None:
    line = standing.ok("env")
    names = ["ENDPOINT", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "ZONE", "BILLS"]
    assert line.startswith("export QINGCLOUD_ENDPOINT=http://127.0.0.1:")
    assert [word.split("=")[0] for word in line.split()[1:]] == [f"QINGCLOUD_{n}" for n in names]


@pytest.mark.parametrize("command", ["env", "calls"])
def test_without_a_cloud_one_sentence_names_the_start_command(folder: Folder, command: str) -> None:
    code, stdout, stderr = folder.run(command)
    assert (code, stdout) == (2, "")
    assert stderr.startswith("Error: No local cloud is running here; start one with: ")


@pytest.mark.parametrize("command", ["up", "reset"])
@pytest.mark.parametrize(
    "place", ["{}/file", "{}/file/cloud", "/proc/cloud"], ids=["a file", "below a file", "no place"]
)
def test_impossible_folder_is_reported_in_one_sentence(
    tmp_path: Path, connections: Connections, place: str, command: str
) -> None:
    (tmp_path / "file").touch()
    root = place.format(tmp_path)
    code, stdout, stderr = Folder(Path(root), connections).run(command)
    assert (code, stdout) == (2, "")
    assert stderr.startswith(f"Error: the folder {root} cannot hold a local cloud (")
    assert stderr.endswith("); name another one with LOCALCLOUD_HOME\n")
    assert stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["status", "down", "env", "calls"])
def test_file_in_place_of_the_folder_is_reported_by_every_command(
    tmp_path: Path, connections: Connections, command: str
) -> None:
    (tmp_path / "file").touch()
    code, _, stderr = Folder(tmp_path / "file", connections).run(command)
    assert code == 2
    assert stderr.startswith(f"Error: the folder {tmp_path}/file cannot hold a local cloud (")


@pytest.mark.parametrize("words", ["status", "status --json", "--help", "env", "fault --help"])
def test_closed_output_pipe_is_no_error(standing: Folder, words: str) -> None:
    process = standing.start(*words.split())
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(DEADLINE) == 1
    process.stderr.close()


def test_mistake_is_reported_as_the_flows_commands_report_it(folder: Folder) -> None:
    for words in ("nonsense", "up --nonsense", "ports 0", "up --profile slow"):
        code, stdout, stderr = folder.run(*words.split())
        assert (code, stdout) == (2, "")
        assert stderr.startswith("Error: ")
        assert stderr.count("\n") == 1, stderr


def test_end_without_a_start_is_fine(folder: Folder) -> None:
    assert folder.ok("down") == "No local cloud was running.\n"


def test_failed_start_shows_the_end_of_the_log(folder: Folder) -> None:
    folder.home.make()
    (folder.home.root / "credentials.json").write_text("not JSON")
    code, stdout, stderr = folder.run("up")
    assert (code, stdout) == (1, "")
    assert "JSONDecodeError" in stderr
    assert str(folder.home.log) in stderr


def test_free_ports_print_nothing(folder: Folder) -> None:
    with socket.create_server(("127.64.0.9", 0)) as on_one_address:
        port = on_one_address.getsockname()[1]
        assert folder.run("ports", str(port)) == (0, "", "")


def test_port_taken_on_every_address_is_named(folder: Folder) -> None:
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = other.getsockname()[1]
        code, stdout, stderr = folder.run("ports", str(port))
    assert (code, stdout) == (2, "")
    assert stderr.startswith(f"Error: port {port} is taken")
    assert stderr.count("\n") == 1


def test_control_api_refuses_requests_without_the_token(standing: Folder) -> None:
    running = standing.home.read_running()
    assert running is not None
    where = urlsplit(running.url)
    with socket.create_connection((where.hostname, where.port), timeout=60) as connection:
        connection.sendall(b"POST /control/reset HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.recv(64).startswith(b"HTTP/1.1 401 ")
