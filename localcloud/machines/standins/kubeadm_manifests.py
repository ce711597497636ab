"""The manifests of a control plane's static pods."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from localcloud.machines.cluster import KUBERNETES
from localcloud.machines.standins.call import Call
from localcloud.machines.standins.kubeadm_config import ClusterSettings
from localcloud.machines.standins.kubeadm_versions import CONTROL_PLANE, image_of

COMPONENTS = ("etcd", *CONTROL_PLANE)
"""In the order in which an upgrade replaces them."""

_FOLDER = f"/{KUBERNETES}/manifests"


def manifest_file(call: Call, component: str) -> Path:
    return call.context.disk / KUBERNETES / "manifests" / f"{component}.yaml"


def render(name: str, image: str, proxy: str = "") -> str:
    """Return the manifest of one component; kubeadm gives it the proxy of its own call."""
    container: dict[str, Any] = {"name": name, "image": image, "command": [name]}
    if proxy:
        container["env"] = [{"name": "HTTPS_PROXY", "value": proxy}]
    manifest: Mapping[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "kube-system",
            "labels": {"component": name, "tier": "control-plane"},
        },
        "spec": {
            "hostNetwork": True,
            "priorityClassName": "system-node-critical",
            "containers": [container],
        },
    }
    return yaml.safe_dump(manifest, sort_keys=False)


def render_all(call: Call, cluster: ClusterSettings) -> dict[str, str]:
    """Return the manifests of a version by component."""
    proxy = call.environment.get("HTTPS_PROXY", "")
    return {
        name: render(name, image_of(name, cluster.version, cluster.repository), proxy)
        for name in COMPONENTS
    }


async def write_all(call: Call, cluster: ClusterSettings) -> None:
    """Write all manifests, and make the folder of etcd's data."""
    await call.out(
        f'[etcd] Creating static Pod manifest for local etcd in "{_FOLDER}"\n'
        f'[control-plane] Using manifest folder "{_FOLDER}"'
    )
    for name in CONTROL_PLANE:
        await call.out(f'[control-plane] Creating static Pod manifest for "{name}"')
    for name, text in render_all(call, cluster).items():
        file = manifest_file(call, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    member = call.context.disk / "var/lib/etcd/member"
    member.mkdir(parents=True, exist_ok=True)
