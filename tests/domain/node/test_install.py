"""What happens on a machine: settings, secrets, and the installers' errors."""

from collections.abc import Callable, Sequence

import pytest

from domain.cloud.endpoints import Endpoints
from domain.kernel.errors import CommandFailed, TemporaryError
from domain.kernel.names import MASTERS, NODES
from domain.node import f2cadm
from domain.node import install as bootstrap
from domain.node.shell import Output
from domain.secrets.pki import BootstrapToken
from domain.spec.cluster import ClusterSpec
from tests.domain.makers import make_instance

SPEC = ClusterSpec()
ENDPOINTS = Endpoints("203.0.113.7", "192.168.1.200")
TOKEN = BootstrapToken("abcdef.0123456789abcdef")


class Machine:
    """A shell that keeps what is written and plays an installer's lines."""

    def __init__(self, *lines: str, exit_code: int = 0) -> None:
        self.lines, self.exit_code = lines, exit_code
        self.files: dict[str, tuple[bytes, int]] = {}
        self.commands: list[Sequence[str]] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        deadline: float,
        stdin: bytes = b"",
        on_line: Callable[[str], None] | None = None,
    ) -> Output:
        self.commands.append(argv)
        for line in self.lines:
            if on_line:
                on_line(line)
        return Output("\n".join(self.lines), "", self.exit_code)

    def write_file(self, path: str, content: bytes, mode: int) -> None:
        self.files[path] = (content, mode)


def install(machine: Machine, settings: dict[str, str] | None = None) -> tuple[bool, list[str]]:
    progress: list[str] = []
    changed = bootstrap.run_installer(
        machine, "k8s_node_installer.sh", ["join"], settings or {}, progress.append
    )
    return changed, progress


def test_settings_are_in_a_private_file_and_never_in_arguments() -> None:
    machine = Machine("DONE node: 1 phase(s) changed something.")
    install(machine, {"JOIN_TOKEN": TOKEN.value, "CLUSTER": "it's"})
    content, mode = machine.files[bootstrap.ENV_FILE]
    assert mode == 0o600
    assert b"JOIN_TOKEN=abcdef.0123456789abcdef\n" in content
    assert b"""CLUSTER='it'"'"'s'\n""" in content
    assert not any(TOKEN.value in word for command in machine.commands for word in command)
    assert "rm -f" in machine.commands[0][2]


def test_phases_are_reported_and_so_is_a_run_without_changes() -> None:
    machine = Machine(
        "PHASE host start",
        "PHASE host skipped",
        "PHASE control_plane start",
        "DONE x: nothing to do.",
    )
    assert install(machine) == (False, ["host", "control plane"])


def test_an_installer_s_own_error_is_the_message() -> None:
    machine = Machine("PHASE preflight start", "ERROR CentOS Linux 7 is too old.", exit_code=10)
    with pytest.raises(
        CommandFailed, match=r"exit code 10: CentOS Linux 7 is too old\.$"
    ) as caught:
        install(machine)
    assert caught.value.exit_code == 10


def test_lines_that_an_error_refers_to_are_part_of_the_message() -> None:
    machine = Machine(
        "error execution phase preflight: token is wrong",
        "ERROR kubeadm join failed; see the lines above.",
        exit_code=31,
    )
    with pytest.raises(CommandFailed, match=r"see the lines above.*token is wrong"):
        install(machine)


@pytest.mark.parametrize("code", sorted(bootstrap.TEMPORARY_EXIT_CODES))
def test_a_temporary_exit_code_is_retried(code: int) -> None:
    with pytest.raises(TemporaryError, match="no mirror answers"):
        install(Machine("ERROR no mirror answers", exit_code=code))


def test_the_endpoint_s_name_means_the_machine_itself_on_a_master_only() -> None:
    master, node = make_instance(1, MASTERS), make_instance(2, NODES)
    on_master = bootstrap.common_settings(SPEC, master, MASTERS, ENDPOINTS)
    on_node = bootstrap.common_settings(SPEC, node, NODES, ENDPOINTS)
    assert on_master["API_ENDPOINT"] == on_node["API_ENDPOINT"] == "k8s-api.demo.internal:6443"
    assert on_master["API_ADDRESS"] == master.private_ip
    assert on_node["API_ADDRESS"] == ENDPOINTS.balancer_ip


def test_a_master_s_certificate_is_good_behind_every_address() -> None:
    settings = bootstrap.master_settings(SPEC, make_instance(1, MASTERS), ENDPOINTS, TOKEN)
    assert settings["CERT_SANS"] == "192.168.1.1,192.168.1.200,203.0.113.7"
    assert settings["MAX_PODS"] == "42"


def test_f2cadm_s_table_has_a_line_a_machine() -> None:
    machines = [(MASTERS, make_instance(1, MASTERS)), (NODES, make_instance(2, NODES))]
    header, *lines = f2cadm.servers_table(machines).decode().splitlines()
    assert header == "clusterRole name id localIP"
    assert lines[1].split() == ["k8s-node", "k8s-node-k8s-node2", "i-k8s-node2", "192.168.1.2"]
