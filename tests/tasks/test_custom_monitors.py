"""A new monitor's script is tried on the machines of its group before it is stored."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from domain.cloud.inventory import Machines
from domain.cloud.records import Instance, InstanceStatus
from domain.kernel.errors import InvalidSpec
from domain.kernel.names import NODES, node_name
from domain.spec.custom_monitors import make_monitor
from tasks.custom_monitors import try_monitor
from tests.clients.ssh.ssh_servers import Loop
from tests.tasks.ssh_machines import Machines as Servers


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    loop = Loop()
    yield Servers(loop, tmp_path, 2)
    loop.stop()


def tried(servers: Servers, script: str, nodes: tuple[Instance, ...]) -> dict[str, float | str]:
    monitor = make_monitor({"name": "files", "script": script})
    seen = Machines("demo", (servers.master, *nodes))
    return dict(try_monitor(servers.open(), seen, monitor))


def test_a_script_that_measures_is_reported_with_its_numbers(
    servers: Servers, tmp_path: Path
) -> None:
    one, other = (node_name(NODES, node.id) for node in servers.nodes)
    (tmp_path / servers.nodes[1].id / "broken").touch()
    found = tried(servers, "[[ ! -e $SYSROOT/broken ]] && echo 7", tuple(servers.nodes))
    assert found == {one: 7.0, other: "the script ended with exit code 1"}


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param("echo 1 (", "exit code 2: bash: .*syntax error", id="no bash"),
        pytest.param("echo many", "'many', which is not a number", id="no number"),
        pytest.param("exit 3", "exit code 3", id="a failure"),
    ],
)
def test_a_script_that_measures_nothing_is_refused(
    servers: Servers, script: str, reason: str
) -> None:
    with pytest.raises(InvalidSpec, match=f"nothing on any of the 2 machines .*{reason}"):
        tried(servers, script, tuple(servers.nodes))


def test_without_a_running_machine_nothing_is_tried(servers: Servers) -> None:
    stopped = replace(servers.nodes[0], status=InstanceStatus.STOPPED)
    assert tried(servers, "exit 3", (stopped,)) == {}
