"""The installers on a machine: upload, settings, run over SSH."""

import re
import shlex
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from domain.cloud.endpoints import Endpoints
from domain.cloud.records import Instance
from domain.kernel.errors import CommandFailed, TemporaryError
from domain.kernel.names import MASTERS, Names, node_name
from domain.node.shell import Shell
from domain.secrets.pki import BootstrapToken, CertifiedKey
from domain.spec.cluster import ClusterSpec

FOLDER = "/opt/k8s-installers"
ENV_FILE = "/var/lib/k8s-qingcloud/installer.env"
PKI = "/etc/kubernetes/pki"
UI_FOLDER = "/var/lib/k8s-qingcloud/ui"

GROUP_LABEL = "k8s-qingcloud/group"
INSTANCE_LABEL = "k8s-qingcloud/instance"
ADOPTED_LABEL = "k8s-qingcloud/adopted"
"""In place of the label above, on the node of a machine that existed before."""

INSTALL_DEADLINE = 1800.0
"""Seconds: packages and images over a slow mirror, with the installers' own retries."""

LINES_BEFORE_AN_ERROR = 6
"""Lines that are kept for the error message, which may refer to them."""

TEMPORARY_EXIT_CODES = {14, 20, 21, 22, 32}
"""Exit codes of the installers after which a retry may succeed; their headers list them."""


CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
"""Colours and control characters, which kubeadm's checks print also where nobody sees them."""


@dataclass(frozen=True, slots=True)
class InstallerFile:
    path: str
    content: bytes
    mode: int


def common_settings(
    spec: ClusterSpec,
    machine: Instance,
    group: str,
    endpoints: Endpoints,
    label: str = INSTANCE_LABEL,
) -> dict[str, str]:
    """The settings of both installers; the address behind the endpoint's name differs.

    Args:
        label: the key of the node's label whose value is the machine's id.
    """
    is_master = group == MASTERS
    kubernetes, nodes = spec.kubernetes, spec.node_groups.get(group)
    labels = {GROUP_LABEL: group, label: machine.id}
    labels |= nodes.template.labels if nodes else {}
    return {
        "CLUSTER": spec.name,
        "NODE_NAME": node_name(group, machine.id),
        "NODE_IP": machine.private_ip,
        "NODE_LABELS": ",".join(f"{key}={value}" for key, value in labels.items()),
        "NODE_TAINTS": ",".join(nodes.template.taints if nodes else ()),
        "K8S_VERSION": kubernetes.version,
        "API_ENDPOINT": f"{Names(spec.name).api_host}:6443",
        # A load balancer cannot send a backend's own traffic back to it, hence the difference.
        "API_ADDRESS": machine.private_ip if is_master else endpoints.balancer_ip,
        "IMAGE_REPOSITORY": kubernetes.image_repository,
        "PACKAGE_MIRROR": kubernetes.package_mirror,
        "PULL_MIRRORS": " ".join(f"{k}={v}" for k, v in kubernetes.pull_mirrors.items()),
    }


def master_settings(
    spec: ClusterSpec, machine: Instance, endpoints: Endpoints, token: BootstrapToken
) -> dict[str, str]:
    network = spec.network
    sans = (machine.private_ip, endpoints.balancer_ip, endpoints.public_address)
    return common_settings(spec, machine, MASTERS, endpoints) | {
        "CERT_SANS": ",".join(name for name in sans if name),
        "POD_CIDR": network.pod_cidr,
        "SERVICE_CIDR": network.service_cidr,
        "NODE_CIDR_MASK": str(spec.node_cidr_mask),
        "MAX_PODS": str(spec.kubernetes.max_pods),
        "JOIN_TOKEN": token.value,
    }


def upload_installers(shell: Shell, files: Sequence[InstallerFile]) -> None:
    for file in files:
        shell.write_file(f"{FOLDER}/{file.path}", file.content, file.mode)


def upload_ca(shell: Shell, ca: CertifiedKey) -> None:
    """Upload the cluster's CA to a master, where kubeadm uses it."""
    shell.write_file(f"{PKI}/ca.crt", ca.certificate.encode(), 0o644)
    shell.write_file(f"{PKI}/ca.key", ca.key.encode(), 0o600)


def run_installer(
    shell: Shell,
    script: str,
    words: Sequence[str],
    settings: Mapping[str, str],
    on_progress: Callable[[str], None],
) -> bool:
    """Run an installer to its end.

    Its settings are in a file that only root can read, and that is deleted afterwards: other users
    can see the arguments and the environment of a process.

    Returns:
        Whether it changed anything.

    Raises:
        TemporaryError: the connection broke, or a retry may succeed (a mirror, a lock).
        CommandFailed: the installer failed; the message is its own.
    """
    text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())
    text = text.replace(f"={UI_FOLDER}", f"=${{SYSROOT:-}}{UI_FOLDER}")
    shell.write_file(ENV_FILE, text.encode(), 0o600)
    output: deque[str] = deque(maxlen=LINES_BEFORE_AN_ERROR + 1)

    def on_line(raw: str) -> None:
        line = CONTROL.sub("", raw)
        if line.startswith("STILL "):
            on_progress(line.removeprefix("STILL ").replace("_", " "))
            return
        output.append(line)
        if line.startswith("PHASE ") and line.endswith(" start"):
            on_progress(line.split()[1].replace("_", " "))

    command = (
        f'env="${{SYSROOT:-}}{ENV_FILE}"; trap \'rm -f "$env"\' EXIT; '
        f'bash "${{SYSROOT:-}}{FOLDER}/{script}" --env "$env" "$@"'
    )
    done = shell.run(
        ["bash", "-c", command, "installer", *words], deadline=INSTALL_DEADLINE, on_line=on_line
    )
    if done.exit_code in TEMPORARY_EXIT_CODES:
        raise TemporaryError(f"{script}: {_error_message(output)}")
    check(done.exit_code, script, _error_message(output))
    return not output[-1].endswith("nothing to do.")


def _error_message(output: Sequence[str]) -> str:
    """The installer's error, with the lines of the failed command that it refers to."""
    sentence = next((line for line in output if line.startswith("ERROR ")), "")
    before = [line.strip() for line in output if not line.startswith(("ERROR ", "PHASE "))]
    if sentence and "see the lines above" not in sentence:
        return sentence.removeprefix("ERROR ")
    return " | ".join([sentence.removeprefix("ERROR "), *filter(None, before)]).strip(" |")


def check(exit_code: int, what: str, detail: str) -> None:
    """Raise `CommandFailed` for an exit code other than 0."""
    if exit_code:
        raise CommandFailed(
            f"{what} ended with exit code {exit_code}: {detail.strip()}", exit_code=exit_code
        )
