"""`kubeadm init`: certificates, kubeconfig files, the control plane, the kubelet, the add-ons."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from localcloud.kubernetes.client import MASTERS, ApiClient
from localcloud.kubernetes.client.writes import MERGE
from localcloud.kubernetes.objects.kinds import NODE
from localcloud.kubernetes.planes import Plane, hash_of_ca
from localcloud.machines.cluster import API_PORT, KUBERNETES
from localcloud.machines.standins import (
    addons,
    kubeadm_certs,
    kubeadm_kubelet,
    kubeadm_manifests,
    preflight,
)
from localcloud.machines.standins.call import Call, Failed
from localcloud.machines.standins.kubeadm_config import (
    ClusterSettings,
    Document,
    InitSettings,
    duration,
    read_init,
)
from localcloud.machines.standins.kubeadm_versions import images_of, installed, minor_of

MASTER_LABELS = {
    "node-role.kubernetes.io/control-plane": "",
    "node.kubernetes.io/exclude-from-external-load-balancers": "",
}
MASTER_TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}


async def run(call: Call, documents: Mapping[str, Document], *, shows_token: bool) -> InitSettings:
    """Do what `kubeadm init` does.

    Raises:
        Failed: with kubeadm's message; files of finished phases stay, as with kubeadm.
    """
    context = call.context
    settings = read_init(documents, context.read_hostname(), context.spec.address)
    cluster, node = settings.cluster, settings.registration.name
    _check_version(call, cluster.version)
    await call.out(f"[init] Using Kubernetes version: {cluster.version}")
    await preflight.check_init(call, node, cluster.version)
    await preflight.pull_images(call, images_of(cluster.version, cluster.repository))
    await _warn_of_early_authority(call)
    await write_certificates(call, cluster, node, settings.address)
    await write_kubeconfigs(call, cluster, node, settings.address, is_first=True)
    await kubeadm_manifests.write_all(call, cluster)
    _remember(call, settings)
    await kubeadm_kubelet.configure(call, cluster.kubelet, settings.registration)
    await call.out(
        "[wait-control-plane] Waiting for the kubelet to boot up the control plane as static Pods "
        f'from directory "/{KUBERNETES}/manifests"'
    )
    await kubeadm_kubelet.check_health(call)
    await context.shared.clock.sleep(context.shared.profile.kubeadm_init)
    plane = await _start(call, settings)
    await _finish(call, settings, plane, shows_token=shows_token)
    return settings


def _check_version(call: Call, version: str) -> None:
    kubeadm = installed(call)
    oldest = minor_of(kubeadm) - 1
    if minor_of(version) < oldest:
        raise Failed(
            "this version of kubeadm only supports deploying clusters with the control plane "
            f"version >= 1.{oldest}.0. Current version: {version}"
        )


async def _warn_of_early_authority(call: Call) -> None:
    """Warn, and go on, where the given CA is not valid yet by this machine's clock."""
    authority = kubeadm_certs.read_authority(call)
    if authority is None:
        return
    starts, now = kubeadm_certs.start_of(authority), call.context.shared.clock.now()
    if now < starts:
        await call.err(
            f"W{now:%m%d %H:%M:%S.%f}    4711 certs.go:382] WARNING: could not validate bounds for "
            f"certificate CA: the certificate is not valid yet: NotBefore: {starts}, now: {now}"
        )


async def write_certificates(call: Call, cluster: ClusterSettings, node: str, address: str) -> None:
    """Make the missing certificates of a master, and the authorities where they are missing."""
    host = cluster.endpoint.rpartition(":")[0]
    names = [
        *([host] if host else ()), "kubernetes", "kubernetes.default", "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local", node, _first_address(cluster.service_cidr),
        address, *cluster.server_names,
    ]  # fmt: skip
    etcd = ["localhost", node, address, "127.0.0.1", "::1"]
    await kubeadm_certs.ensure_authorities(call)
    await kubeadm_certs.ensure_leaves(
        call,
        cluster,
        {
            "apiserver": list(dict.fromkeys(names)),
            "etcd-server": [node, *etcd],
            "etcd-peer": [node, *etcd],
        },
    )
    await kubeadm_certs.ensure_signing_key(call)


def _first_address(cidr: str) -> str:
    return str(ipaddress.ip_network(cidr)[1])


async def write_kubeconfigs(
    call: Call, cluster: ClusterSettings, node: str, address: str, *, is_first: bool
) -> None:
    """Write the kubeconfig files of a master; only the first one has the super-admin's."""
    await call.out(f'[kubeconfig] Using kubeconfig folder "/{KUBERNETES}"')
    local = f"{address}:{API_PORT}"
    shared = cluster.endpoint or local
    files = [("admin.conf", "kubernetes-admin", kubeadm_certs.ADMIN_GROUP, shared)]
    if is_first:
        files += [
            ("super-admin.conf", "kubernetes-super-admin", "system:masters", shared),
            ("kubelet.conf", f"system:node:{node}", "system:nodes", local),
        ]
    files += [
        ("controller-manager.conf", "system:kube-controller-manager", "", local),
        ("scheduler.conf", "system:kube-scheduler", "", local),
    ]
    for name, user, group, server in files:
        await kubeadm_certs.write_kubeconfig(call, cluster, name, user, group, server)


def _remember(call: Call, settings: InitSettings) -> None:
    context, registration = call.context, settings.registration
    now = context.shared.clock.now()
    context.state.control_plane = record(settings.cluster, registration.name) | {
        "tokens": [
            (token, (now + lifetime).isoformat() if (lifetime := duration(ttl)) else None)
            for token, ttl in settings.tokens
        ],
    }
    context.state.node = {
        "name": registration.name,
        "version": settings.cluster.version,
        "max_pods": settings.cluster.max_pods,
        "labels": dict(registration.labels),
        "taints": [],  # kubeadm sets them by the API, as the labels of a master
        "ca_hash": "",
    }


def record(cluster: ClusterSettings, node: str) -> dict[str, Any]:
    """Return what a machine keeps of its control plane, without its join tokens."""
    return {
        "name": cluster.name,
        "node": node,
        "version": cluster.version,
        "pod_cidr": cluster.pod_cidr,
        "service_cidr": cluster.service_cidr,
        "node_cidr_mask": cluster.node_cidr_mask,
        "tokens": [],
    }


async def _start(call: Call, settings: InitSettings) -> Plane:
    machine, context = call.machine, call.context
    await call.out(
        "[control-plane-check] Waiting for healthy control plane components. This can take up to "
        "4m0s\n"
        f"[control-plane-check] Checking kube-apiserver at https://{settings.address}:{API_PORT}"
        "/livez\n"
        "[control-plane-check] Checking kube-controller-manager at https://127.0.0.1:10257/healthz"
        "\n[control-plane-check] Checking kube-scheduler at https://127.0.0.1:10259/livez"
    )
    plane = await machine.cluster.control_plane.start()
    if not plane.is_running:
        raise _unanswered(settings)
    assert context.state.node is not None
    context.state.node["ca_hash"] = plane.ca_hash
    machine.units.enable("kubelet")
    await machine.units.restart("kubelet")
    await machine.cluster.wait_for_kubelet()
    for component in ("kube-controller-manager", "kube-scheduler", "kube-apiserver"):
        await call.out(f"[control-plane-check] {component} is healthy after 1.501s")
    _check_endpoint(call, settings)
    return plane


def _unanswered(settings: InitSettings) -> Failed:
    """Return the error of an API server that does not come up within `kubernetesAPICall`."""
    server = settings.cluster.endpoint or f"{settings.address}:{API_PORT}"
    return Failed(
        "error execution phase wait-control-plane: cannot obtain client without bootstrap: "
        "could not bootstrap the admin user in file admin.conf: unable to create "
        "ClusterRoleBinding: client rate limiter Wait returned an error: context deadline "
        f'exceeded - error from a previous attempt: Post "https://{server}/apis/rbac.'
        'authorization.k8s.io/v1/clusterrolebindings?timeout=10s": dial tcp: connect: connection '
        f"refused"
    )


def _check_endpoint(call: Call, settings: InitSettings) -> None:
    """Refuse an endpoint name that does not resolve: kubeadm calls the API by that name."""
    host, _, port = settings.cluster.endpoint.rpartition(":")
    if host and call.context.resolve(host) is None:
        raise Failed(
            "error execution phase upload-config/kubeadm: error creating token: Post "
            f'"https://{host}:{port}/api/v1": dial tcp: lookup {host}: no such host\n'
        )


async def _finish(call: Call, settings: InitSettings, plane: Plane, *, shows_token: bool) -> None:
    api, node = plane.client(MASTERS), settings.registration.name
    token = next((token for token, _ in settings.tokens), "")
    await call.out(
        '[upload-config] Storing the configuration used in ConfigMap "kubeadm-config" in the '
        '"kube-system" Namespace\n'
        '[kubelet] Creating a ConfigMap "kubelet-config" in namespace kube-system with the '
        "configuration for the kubelets in the cluster\n"
        "[upload-certs] Skipping phase. Please see --upload-certs"
    )
    await mark_control_plane(call, api, node, settings.registration.taints)
    for manifest in addons.system_objects(settings.cluster):
        await addons.ensure(api, manifest)
    await call.out(
        f"[bootstrap-token] Using token: {token if shows_token else '<value withheld>'}\n"
        f"{addons.TOKEN_RULES}\n"
        '[bootstrap-token] Creating the "cluster-info" ConfigMap in the "kube-public" namespace\n'
        f'[kubelet-finalize] Updating "/{KUBERNETES}/kubelet.conf" to point to a rotatable '
        "kubelet client certificate and key\n"
        f"{addons.APPLIED}\n"
        "\nYour Kubernetes control-plane has initialized successfully!"
    )
    local = f"{settings.address}:{API_PORT}"
    await kubeadm_kubelet.write_own_certificate(call, node, plane, local)
    await _show_join_commands(call, settings, token if shows_token else "<value withheld>")


async def mark_control_plane(
    call: Call, api: ApiClient, node: str, taints: Sequence[Document] | None
) -> None:
    """Give a master its labels and taints; its kubelet would not set them."""
    wanted = [MASTER_TAINT] if taints is None else list(taints)
    path = NODE.path("", node)
    found = await api.request("GET", path)
    others = [one for one in found["spec"].get("taints") or () if one["key"] != MASTER_TAINT["key"]]
    change = {"metadata": {"labels": MASTER_LABELS}, "spec": {"taints": [*others, *wanted]}}
    await api.request("PATCH", path, body=change, content_type=MERGE)
    shown = " ".join(f"{one['key']}:{one['effect']}" for one in wanted)
    await call.out(
        f"[mark-control-plane] Marking the node {node} as control-plane by adding the labels: "
        f"[{' '.join(MASTER_LABELS)}]\n"
        f"[mark-control-plane] Marking the node {node} as control-plane by adding the taints "
        f"[{shown}]"
    )


async def _show_join_commands(call: Call, settings: InitSettings, token: str) -> None:
    """Print how machines join; with the token unless it is withheld."""
    endpoint = settings.cluster.endpoint or f"{settings.address}:{API_PORT}"
    authority = kubeadm_certs.read_authority(call)
    if not settings.tokens or authority is None:
        return
    command = (
        f"kubeadm join {endpoint} --token {token} \\\n"
        f"\t--discovery-token-ca-cert-hash {hash_of_ca(authority.certificate)} "
    )
    if settings.cluster.endpoint:
        await call.out(
            "\nYou can now join any number of control-plane nodes by copying certificate "
            "authorities\nand service account keys on each node and then running the following as "
            f"root:\n\n  {command}\\\n\t--control-plane "
        )
    await call.out(
        "\nThen you can join any number of worker nodes by running the following on each as root:"
        f"\n\n{command}"
    )
