"""Faults as users request them: by command, by file, and by the daemon's control API."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from localcloud.home import Home, Running
from localcloud.iaas.faults.kinds import KINDS
from tests.localcloud.vendor_client import Connections, connect

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = """\
- {kind: lost-reply, action: "Create*", times: 2}
- {kind: quota, resource: tag, most: 0}
- kind: never-boots
  machine: "*node*"
  share: 0.5
  seed: 3
"""


class Cloud:
    """A local cloud that runs in a folder of its own."""

    def __init__(self, root: Path, connections: Connections) -> None:
        self.home = Home(root)
        self._connections = connections
        self._environment = os.environ | {"LOCALCLOUD_HOME": str(root)}

    def run(self, *words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "localcloud", *words],
            cwd=REPOSITORY,
            env=self._environment,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout, done.stderr

    def ok(self, *words: str) -> str:
        code, stdout, stderr = self.run(*words)
        assert code == 0, stderr
        return stdout

    def refused(self, *words: str) -> str:
        code, stdout, stderr = self.run(*words)
        assert code == 2, (code, stdout, stderr)
        return stdout + stderr

    @property
    def running(self) -> Running:
        running = self.home.read_running()
        assert running is not None
        return running

    def call(self, action: str, **body: Any) -> Any:
        running = self.running
        sdk = connect(running.url, running.key_id, running.secret, running.zone, self._connections)
        return sdk.send_request(action, body)

    def ask(self, verb: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        """Send a request to the daemon's control API."""
        where = urlsplit(self.running.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.running.token}"}
        connection.request(verb, f"/control/{path}", body=body, headers=headers)
        response = connection.getresponse()
        answer = response.status, json.loads(response.read())
        connection.close()
        return answer


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    connections = Connections()
    cloud = Cloud(tmp_path_factory.mktemp("faults") / "cloud", connections)
    cloud.ok("up", "--profile", "instant")
    yield cloud
    connections.close()
    cloud.ok("down")


@pytest.fixture
def cloud(standing: Cloud) -> Cloud:
    """The cloud, without faults."""
    standing.ask("DELETE", "faults")
    return standing


def test_fault_is_put_in_force_listed_and_cleared_by_command(cloud: Cloud) -> None:
    command = "fault error --action DescribeTags --code 5100 --times 1"
    output = cloud.ok(*command.split())
    fault_id, _, rest = output.partition("  ")
    assert rest == "error times=1 action=DescribeTags code=5100\n"
    assert [cloud.call("DescribeTags")["ret_code"] for _ in range(2)] == [5100, 0]
    (seen,) = json.loads(cloud.ok("fault", "list", "--json"))
    assert (seen["id"], seen["kind"], seen["strikes"]) == (fault_id, "error", 1)
    assert "struck 1×" in cloud.ok("fault", "list")
    assert cloud.ok("fault", "clear", fault_id) == f"Cleared: {fault_id}.\n"
    assert cloud.ok("fault", "list") == "Nothing fails on purpose.\n"
    assert cloud.ok("fault", "clear") == "Nothing failed on purpose.\n"


def test_file_puts_all_its_faults_in_force(cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(FILE)
    assert len(cloud.ok("fault", "load", str(file)).splitlines()) == 3
    listed = json.loads(cloud.ok("fault", "list", "--json"))
    assert [one["kind"] for one in listed] == ["lost-reply", "quota", "never-boots"]
    assert (listed[2]["share"], listed[2]["seed"]) == (0.5, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("- {kind: error}", "code: Field required", id="a field missing"),
        pytest.param("- {kind: quake}", "should be one of error,", id="an unknown kind"),
        pytest.param(
            "- {kind: lost-reply, action: Creat}", "no action Creat", id="an unknown action"
        ),
        pytest.param("kind: error", "a list of faults", id="no list"),
        pytest.param("- [", "faults.yaml", id="no YAML"),
        pytest.param("", "a list of faults", id="nothing"),
    ],
)
def test_file_with_a_mistake_puts_nothing_in_force(
    cloud: Cloud, tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("- {kind: lost-reply}\n" * text.startswith("-") + text)
    assert words in cloud.refused("fault", "load", str(file))
    assert cloud.ask("GET", "faults") == (200, {"faults": []})


def test_mistakes_on_the_command_line_are_refused(cloud: Cloud) -> None:
    assert "--code" in cloud.refused("fault", "error")
    assert "--share" in cloud.refused("fault", "lost-reply", "--share", "3")
    assert "f-999" in cloud.refused("fault", "clear", "f-999")
    assert "no-such-file" in cloud.refused("fault", "load", "no-such-file")
    assert "quake" in cloud.refused("fault", "quake")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(
            ("lost-reply", "--action", "Create*", "--share", "7"),
            'Invalid value "7.0" for --share. Input should be less than or equal to 1',
            id="a share above one",
        ),
        pytest.param(
            ("error", "--code", "5100", "--times", "-1"),
            'Invalid value "-1" for --times. Input should be greater than or equal to 1',
            id="less than once",
        ),
        pytest.param(
            ("error", "--action", "RunInstnaces", "--code", "5100"),
            "error: there is no action RunInstnaces; did you mean RunInstances?",
            id="an action misspelt",
        ),
        pytest.param(
            ("latency", "--action", "Frobnicate", "--seconds", "1"),
            "latency: there is no action Frobnicate",
            id="an action like no other",
        ),
        pytest.param(
            ("lost-reply", "--action", "Creat3*"),
            "lost-reply: no action is like Creat3*",
            id="a pattern of nothing",
        ),
    ],
)
def test_mistake_is_reported_in_one_sentence(
    cloud: Cloud, words: tuple[str, ...], sentence: str
) -> None:
    assert cloud.refused("fault", *words) == f"Error: {sentence}\n"
    assert cloud.ask("GET", "faults") == (200, {"faults": []})


def test_help_lists_every_kind(cloud: Cloud) -> None:
    output = cloud.ok("fault", "--help")
    assert all(kind in output for kind in KINDS)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{}",
        b'["error"]',
        b'[{"kind": "error"}]',
        b'[{"kind": "lost-reply"}, {"kind": "lost-reply", "action": "RunInstnaces"}]',
    ],
)
def test_control_api_refuses_other_bodies_than_lists_of_faults(cloud: Cloud, body: bytes) -> None:
    status, answer = cloud.ask("POST", "faults", body)
    assert status == 400
    assert answer["message"]
    assert cloud.ask("GET", "faults") == (200, {"faults": []})


def test_fault_command_without_a_cloud_names_the_start_command(tmp_path: Path) -> None:
    absent = Cloud(tmp_path / "none", Connections())
    assert "python -m localcloud up" in absent.refused("fault", "list")
