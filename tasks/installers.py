"""The files of `installers/`, which install machines, read from the package's folder."""

from functools import cache
from pathlib import Path

from domain.kernel.errors import BadRequest
from domain.node.install import InstallerFile

INSTALLERS = Path(__file__).resolve().parent.parent / "installers"

FILES = (
    "docker",
    "etcd_members.sh",
    "f2cadm",
    "k8s_master_installer.sh",
    "k8s_node_installer.sh",
    "k8s_upgrade_installer.sh",
    "kube_ui_installer.sh",
    "renew_certificates.sh",
    "lib/base.sh",
    "lib/cluster.sh",
    "lib/etcd.sh",
    "lib/join.sh",
    "lib/machine.sh",
    "lib/packages.sh",
    "lib/runtime.sh",
    "manifests/flannel.yaml",
    "manifests/kube-ui.yaml",
    "manifests/nginx.yaml",
)
"""All of them by name, so that an incomplete package is refused before it costs money."""

ADDONS = (
    "addons/cloud-controller.yaml",
    "addons/csi.yaml",
    "addons/metrics-server.yaml",
)
"""The manifests of add-ons, which are applied through a cluster's API and lie on no machine."""

DEMO = "manifests/nginx.yaml"


@cache
def installer_files(folder: Path = INSTALLERS) -> tuple[InstallerFile, ...]:
    """Read every file that is uploaded to machines, with its mode.

    Raises:
        BadRequest: a file is missing or empty, so machines could not be installed.
    """
    for name in ADDONS:
        _read(folder / name)
    return tuple(InstallerFile(name, _read(folder / name), _mode(name)) for name in FILES)


def demo_manifest() -> str:
    """Read the manifest of the nginx demo. Raises `BadRequest` where it is missing."""
    return _read(INSTALLERS / DEMO).decode()


def addon_manifest(name: str) -> str:
    """Read the manifest of an add-on. Raises `BadRequest` where it is missing."""
    return _read(INSTALLERS / "addons" / name).decode()


def _read(file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _incomplete(file, error.strerror or "it cannot be read") from error
    if not content.strip():
        raise _incomplete(file, "it is empty")
    return content


def _incomplete(file: Path, why: str) -> BadRequest:
    return BadRequest(
        f"the installation of kubernetes-on-qingcloud is incomplete: {file} ({why}); "
        "install the package again"
    )


def _mode(name: str) -> int:
    return 0o644 if name.endswith(".yaml") else 0o755
