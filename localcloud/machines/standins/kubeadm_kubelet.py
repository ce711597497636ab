"""The kubelet as kubeadm sets it up: its files, its health, its certificate."""

from collections.abc import Mapping
from typing import Any

import yaml

from localcloud import pki
from localcloud.kubernetes.planes import Plane
from localcloud.machines.cluster import KUBERNETES
from localcloud.machines.disk import swap_is_on
from localcloud.machines.standins.call import Call, Failed
from localcloud.machines.standins.kubeadm_config import Registration
from localcloud.parts import Component

FOLDER = "var/lib/kubelet"
_HEALTH = "http://127.0.0.1:10248/healthz"


async def configure(
    call: Call, configuration: Mapping[str, Any], registration: Registration
) -> None:
    """Write the files that a kubelet reads at its start."""
    await write_flags(call, registration)
    await write_config(call, configuration)
    await call.out("[kubelet-start] Starting the kubelet")


async def write_flags(call: Call, registration: Registration) -> None:
    folder = call.context.disk / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    labels = ",".join(f"{key}={value}" for key, value in registration.labels.items())
    flags = f"--node-ip={call.context.spec.address} --node-labels={labels}"
    (folder / "kubeadm-flags.env").write_text(f'KUBELET_KUBEADM_ARGS="{flags}"\n')
    await call.out(
        "[kubelet-start] Writing kubelet environment file with flags to file "
        f'"/{FOLDER}/kubeadm-flags.env"'
    )


async def write_config(call: Call, configuration: Mapping[str, Any]) -> None:
    folder = call.context.disk / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    head = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"}
    instance = {**head, "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock"}
    for name, content in (
        ("instance-config.yaml", instance),
        ("config.yaml", {**head, **configuration}),
    ):
        (folder / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    await call.out(
        f'[kubelet-start] Writing kubelet configuration to file "/{FOLDER}/instance-config.yaml"\n'
        '[patches] Applied patch of type "application/strategic-merge-patch+json" to target '
        '"kubeletconfiguration"\n'
        f'[kubelet-start] Writing kubelet configuration to file "/{FOLDER}/config.yaml"'
    )


def why_unhealthy(call: Call) -> str:
    """Return what a kubelet that cannot run writes into the journal; nothing where it can."""
    machine, context = call.machine, call.context
    if not (context.disk / FOLDER / "config.yaml").exists():
        return f"open /{FOLDER}/config.yaml: no such file or directory"
    if swap_is_on(context.disk):
        return "running with swap on is not supported, please disable swap or set --fail-swap-on"
    if not machine.runtime.uses_systemd_cgroups():
        return "the kubelet's cgroup driver is systemd, containerd's is cgroupfs"
    if Component.KUBELET in context.failed:
        return "a fault of the local cloud keeps it from coming up"
    return ""


async def check_health(call: Call, phase: str = "wait-control-plane") -> None:
    """Ask for the kubelet's health.

    Raises:
        Failed: kubeadm would have waited four minutes for it. The reason is in the journal only.
    """
    await call.out(
        f"[kubelet-check] Waiting for a healthy kubelet at {_HEALTH}. This can take up to 4m0s"
    )
    if not why_unhealthy(call):
        await call.out("[kubelet-check] The kubelet is healthy after 501.701ms")
        return
    await call.out("[kubelet-check] The kubelet is not healthy after 4m0.000692s")
    await call.err(
        "\nUnfortunately, an error has occurred, likely caused by:\n"
        "\t- The kubelet is not running\n"
        "\t- The kubelet is unhealthy due to a misconfiguration of the node in some way "
        "(required cgroups disabled)\n"
        "\nIf you are on a systemd-powered system, you can try to troubleshoot the error with the "
        "following commands:\n"
        "\t- 'systemctl status kubelet'\n"
        "\t- 'journalctl -xeu kubelet'\n"
    )
    raise Failed(
        f"error execution phase {phase}: failed while waiting for the kubelet to start: "
        f"The HTTP call equal to 'curl -sSL {_HEALTH}' returned error: Get \"{_HEALTH}\": dial tcp "
        f"127.0.0.1:10248: connect: connection refused"
    )


async def write_own_certificate(call: Call, node: str, plane: Plane, server: str) -> None:
    """Write the certificate that the cluster signs for a kubelet, and the kubeconfig with it."""
    folder, now = call.context.disk / FOLDER / "pki", call.context.shared.clock.now()
    folder.mkdir(parents=True, exist_ok=True)
    authority = pki.Pair(plane.config.ca_certificate, plane.config.ca_key)
    user = f"system:node:{node}"
    pair = pki.issue(authority, now, user, organizations=["system:nodes"])
    dated = folder / f"kubelet-client-{now:%Y-%m-%d-%H-%M-%S}.pem"
    dated.touch(mode=0o600)
    dated.write_bytes(pair.certificate + pair.key)
    current = folder / "kubelet-client-current.pem"
    current.unlink(missing_ok=True)
    current.symlink_to(dated.name)
    named = f"/{FOLDER}/pki/{current.name}"
    text = pki.kubeconfig(
        f"https://{server}",
        user,
        plane.config.ca_certificate,
        {"client-certificate": named, "client-key": named},
    )
    file = call.context.disk / KUBERNETES / "kubelet.conf"
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
