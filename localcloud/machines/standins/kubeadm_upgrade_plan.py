"""What `kubeadm upgrade` finds: the cluster, its health, the versions that are possible."""

from dataclasses import dataclass
from typing import Any

import yaml

from localcloud.kubernetes.client import MASTERS, ApiClient
from localcloud.kubernetes.objects import kinds
from localcloud.machines.cluster import KUBERNETES
from localcloud.machines.standins.call import Call, Failed
from localcloud.machines.standins.container_lists import columns
from localcloud.machines.standins.kubeadm_config import ClusterSettings, read_cluster
from localcloud.machines.standins.kubeadm_init import MASTER_LABELS
from localcloud.machines.standins.kubeadm_versions import (
    CONTROL_PLANE,
    installed,
    minor_of,
    parse,
    parts_of,
)
from localcloud.machines.standins.preflight import ErrorList

SYSTEM = "kube-system"
_KUBELET_SKEW = 3  # minor versions that a kubelet may be older than its API server
_RULE = "_" * 69
_CONTROL_PLANE_LABEL = next(iter(MASTER_LABELS))


@dataclass(frozen=True, slots=True)
class Found:
    """A cluster, as an upgrade finds it; `node` is this machine's."""

    api: ApiClient
    cluster: ClusterSettings
    nodes: tuple[dict[str, Any], ...]
    node: str

    def masters(self) -> list[dict[str, Any]]:
        return [
            one for one in self.nodes if _CONTROL_PLANE_LABEL in one["metadata"].get("labels", {})
        ]

    def kubelets(self) -> dict[str, str]:
        """Return the version of each node's kubelet."""
        return {
            one["metadata"]["name"]: one["status"]["nodeInfo"]["kubeletVersion"]
            for one in self.nodes
        }


async def look(call: Call, head: str) -> Found:
    """Read the configuration of the cluster of this machine.

    Raises:
        Failed: this machine is in no cluster, or the API server does not answer.
    """
    known = call.context.state.node
    plane = call.context.find_plane(known["ca_hash"]) if known else None
    if known is None or plane is None or not plane.is_running:
        raise Failed(
            f'couldn\'t create a Kubernetes client from file "/{KUBERNETES}/admin.conf": '
            f"the cluster does not answer"
        )
    await call.out(
        f'[{head}] Reading configuration from the "kubeadm-config" ConfigMap in namespace '
        '"kube-system"...\n'
        f"[{head}] Use 'kubeadm init phase upload-config kubeadm --config your-config-file' to "
        "re-upload it."
    )
    api = plane.client(MASTERS)
    path = kinds.CONFIG_MAP.path(SYSTEM)
    stored = await api.request("GET", f"{path}/kubeadm-config")
    kubelet = await api.request("GET", f"{path}/kubelet-config")
    cluster = read_cluster(
        {
            "ClusterConfiguration": yaml.safe_load(stored["data"]["ClusterConfiguration"]),
            "KubeletConfiguration": yaml.safe_load(kubelet["data"]["kubelet"]),
        }
    )
    nodes = (await api.request("GET", kinds.NODE.path()))["items"]
    return Found(api, cluster, tuple(nodes), known["name"])


async def check_health(call: Call, found: Found) -> None:
    """Refuse a control plane with a master that is not Ready."""
    ill = [
        one["metadata"]["name"]
        for one in found.masters()
        if not any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in one.get("status", {}).get("conditions") or ()
        )
    ]
    if ill:
        errors = ErrorList()
        errors.append(
            "ControlPlaneNodesReady]: there are NotReady control-planes in the cluster: "
            f"[{' '.join(ill)}]"
        )
        await errors.report(call)


def _skew_errors(found: Found, wanted: str, kubeadm: str) -> tuple[list[str], list[str]]:
    """Return the errors of a version: those for good, and those that --force skips."""
    fatal, skippable = [], []
    new, now, own = minor_of(wanted), minor_of(found.cluster.version), minor_of(kubeadm)
    named = f'Specified version to upgrade to "{wanted}"'
    if new < own - 1:
        fatal.append(
            f"{named} is equal to or lower than the minimum supported version "
            f'"{found.cluster.version}". Please specify a higher version to upgrade to'
        )
    if new > now + 1:
        fatal.append(f"{named} is too high; kubeadm can upgrade only 1 minor version at a time")
    if new < now - 1:
        fatal.append(
            f'Specified version to downgrade to "{wanted}" is too low; kubeadm can downgrade only '
            "1 minor version at a time"
        )
    if parse(kubeadm) < parse(wanted):
        if new > own:
            fatal.append(
                f"{named} is at least one minor release higher than the kubeadm minor release "
                f"({new} > {own}). Such an upgrade is not supported"
            )
        else:
            skippable.append(
                f'{named} is higher than the kubeadm version "{kubeadm}". Upgrade kubeadm first '
                "using the tool you used to install kubeadm"
            )
    if own > new:
        skippable.append(
            f"Kubeadm version {kubeadm} can only be used to upgrade to Kubernetes version 1.{own}"
        )
    old = sorted({one for one in found.kubelets().values() if new > minor_of(one) + _KUBELET_SKEW})
    if old:
        skippable.append(
            "There are kubelets in this cluster that are too old that have these versions "
            f"[{' '.join(old)}]"
        )
    return fatal, skippable


async def check_version(call: Call, found: Found, wanted: str, *, force: bool) -> None:
    kubeadm = installed(call)
    await call.out(
        f'[upgrade/preflight] You have chosen to upgrade the cluster version to "{wanted}"\n'
        f"[upgrade/versions] Cluster version: {found.cluster.version}\n"
        f"[upgrade/versions] kubeadm version: {kubeadm}"
    )
    fatal, skippable = _skew_errors(found, wanted, kubeadm)
    for errors, head, end in (
        (fatal, "these fatal errors", "Please fix the misalignments highlighted above and try "
         "upgrading again"),
        ([] if force else skippable, "these errors", "Can be bypassed if you pass the --force "
         "flag"),
    ):  # fmt: skip
        if errors:
            listed = "".join(f"\t- {error}\n" for error in errors)
            raise Failed(
                "error execution phase preflight: the version argument is invalid due to "
                f"{head}:\n\n{listed}\n{end}"
            )


async def plan(call: Call, words: list[str]) -> None:
    """Do what `kubeadm upgrade plan` does without the internet: it changes nothing."""
    await call.out("[preflight] Running pre-flight checks.")
    found = await look(call, "upgrade/config")
    await call.out("[upgrade] Running cluster health checks")
    await check_health(call, found)
    kubeadm, now = installed(call), call.context.shared.clock.now()
    await call.out("[upgrade] Fetching available versions to upgrade to")
    if words:
        target = words[0]
    else:
        await call.err(
            f"W{now:%m%d %H:%M:%S.%f}    4711 version.go:108] could not fetch a Kubernetes version "
            'from the internet: unable to get URL "https://dl.k8s.io/release/stable.txt": dial '
            "tcp: lookup dl.k8s.io: no such host\n"
            f"W{now:%m%d %H:%M:%S.%f}    4711 version.go:109] falling back to the local client "
            f"version: {kubeadm}"
        )
        target = kubeadm
    current = found.cluster.version
    series = f"v1.{minor_of(target)}"
    await call.out(
        f"[upgrade/versions] Cluster version: {current[1:]}\n"
        f"[upgrade/versions] kubeadm version: {kubeadm}\n"
        f"[upgrade/versions] Target version: {target}\n"
        f"[upgrade/versions] Latest version in the {series} series: {target}"
    )
    if parse(target) <= parse(current):
        await call.out("\n")
        return
    await call.out("\n" + _plan_text(found, current, target, kubeadm))


def _plan_text(found: Found, current: str, target: str, kubeadm: str) -> str:
    masters = sorted(one["metadata"]["name"] for one in found.masters())
    kubelets = [("COMPONENT", "NODE", "CURRENT", "TARGET")]
    kubelets += [("kubelet", name, one, target) for name, one in sorted(found.kubelets().items())]
    parts = [("COMPONENT", "NODE", "CURRENT", "TARGET")]
    parts += [(name, master, current, target) for name in CONTROL_PLANE for master in masters]
    old, new = parts_of(current), parts_of(target)
    parts.append(("kube-proxy", "", current[1:], target))
    parts.append(("CoreDNS", "", old.coredns, new.coredns))
    parts += [("etcd", master, old.etcd, new.etcd) for master in masters]
    configs = [
        ("API GROUP", "CURRENT VERSION", "PREFERRED VERSION", "MANUAL UPGRADE REQUIRED"),
        ("kubeproxy.config.k8s.io", "v1alpha1", "v1alpha1", "no"),
        ("kubelet.config.k8s.io", "v1beta1", "v1beta1", "no"),
    ]
    same_series = minor_of(current) == minor_of(target)
    what = f"version in the v1.{minor_of(target)} series" if same_series else "stable version"
    note = (
        f"Note: Before you can perform this upgrade, you have to update kubeadm to {target}.\n\n"
        if parse(kubeadm) < parse(target)
        else ""
    )
    return (
        "Components that must be upgraded manually after you have upgraded the control plane with "
        f"'kubeadm upgrade apply':\n{columns(kubelets)}\n\n"
        f"Upgrade to the latest {what}:\n\n{columns(parts)}\n\n"
        "You can now apply the upgrade by executing the following command:\n\n"
        f"\tkubeadm upgrade apply {target}\n\n{note}{_RULE}\n\n\n"
        "The table below shows the current state of component configs as understood by this "
        "version of kubeadm.\n"
        'Configs that have a "yes" mark in the "MANUAL UPGRADE REQUIRED" column require manual '
        "config upgrade or\nresetting to kubeadm defaults before a successful upgrade can be "
        "performed. The version to manually\n"
        'upgrade to is denoted in the "PREFERRED VERSION" column.\n\n'
        f"{columns(configs)}\n{_RULE}\n"
    )
