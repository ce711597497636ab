"""`kubeadm init`: certificates, kubeconfig files, the control plane, the kubelet, the add-ons."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from localcloud import pki
from localcloud.kubernetes.client import MASTERS
from localcloud.kubernetes.planes import Plane, hash_of_ca
from localcloud.machines.cluster import API_PORT, KUBERNETES
from localcloud.machines.standins import addons, preflight
from localcloud.machines.standins.call import Call, Failed
from localcloud.machines.standins.containers import pull
from localcloud.machines.standins.kubeadm_config import Document, InitSettings, read_init

MASTER_LABELS = {
    "node-role.kubernetes.io/control-plane": "",
    "node.kubernetes.io/exclude-from-external-load-balancers": "",
}
MASTER_TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
ADMIN_GROUP = "kubeadm:cluster-admins"
_TOKEN = re.compile(r"^[a-z0-9]{6}\.[a-z0-9]{16}$")
_DURATION = re.compile(r"(\d+)(h|m|s)")
_UNITS = {"h": "hours", "m": "minutes", "s": "seconds"}


async def run(
    call: Call, documents: Mapping[str, Document], images_of: Callable[[str, str], list[str]]
) -> None:
    """Do what `kubeadm init` does.

    Raises:
        Failed: with kubeadm's message; files of finished phases stay, as with kubeadm.
    """
    context = call.context
    settings = read_init(documents, context.read_hostname(), context.spec.address)
    cluster = settings.cluster
    await call.out(f"[init] Using Kubernetes version: {cluster.version}")
    _check(call, settings)
    await preflight.check(call, master=True)
    for image in images_of(cluster.version, cluster.repository):
        await pull(call, image)
    await _write_certificates(call, settings)
    await _write_kubeconfigs(call, settings)
    _write_manifests(context.disk / KUBERNETES / "manifests", images_of, settings)
    _remember(call, settings)
    preflight.check_kubelet_can_run(call)
    await context.shared.clock.sleep(context.shared.profile.kubeadm_init)
    await _start(call, settings)
    await call.out("\nYour Kubernetes control-plane has initialized successfully!")


async def show_join_command(call: Call, documents: Mapping[str, Document]) -> None:
    """Print how nodes join, with the first token: a secret, on standard output."""
    settings = read_init(documents, call.context.read_hostname(), call.context.spec.address)
    endpoint = settings.cluster.endpoint or f"{settings.address}:{API_PORT}"
    for token, _ in settings.tokens[:1]:
        certificate = (call.context.disk / KUBERNETES / "pki/ca.crt").read_bytes()
        await call.out(
            "\nThen you can join any number of worker nodes by running the following on each as "
            f"root:\n\nkubeadm join {endpoint} --token {token} \\\n"
            f"\t--discovery-token-ca-cert-hash {hash_of_ca(certificate)}"
        )


def _check(call: Call, settings: InitSettings) -> None:
    installed = call.context.state.packages["kubeadm"].partition("-")[0]
    wanted = settings.cluster.version.removeprefix("v")
    if installed.split(".")[:2] != wanted.split(".")[:2]:
        raise Failed(
            f"this version of kubeadm only supports deploying clusters with the control plane "
            f"version of its own minor or one older. Current version: v{wanted}"
        )
    for token, _ in settings.tokens:
        if not _TOKEN.match(token):
            raise Failed("the bootstrap token does not have the form [a-z0-9]{6}.[a-z0-9]{16}", 3)
    if settings.address != call.context.spec.address:
        raise Failed(f"advertiseAddress {settings.address} is no address of this machine", 3)


async def _write_certificates(call: Call, settings: InitSettings) -> None:
    now = call.context.shared.clock.now()
    folder = call.context.disk / KUBERNETES / "pki"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        authority = pki.read_authority(folder)
    except pki.BadAuthority as error:
        raise Failed(f"error execution phase certs/ca: {error}") from error
    if authority is None:
        authority = pki.make_authority(now)
        _write_pair(folder / "ca", authority)
        await call.out('[certs] Generating "ca" certificate and key')
    else:
        await call.out("[certs] Using existing ca certificate authority")
    _check_halves(folder)
    names = [
        "kubernetes", "kubernetes.default", "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local", settings.registration.name, settings.address,
        _first_address(settings.cluster.service_cidr), *settings.cluster.server_names,
    ]  # fmt: skip
    if host := settings.cluster.endpoint.rpartition(":")[0]:
        names.append(host)
    _write_pair(
        folder / "apiserver", pki.issue(authority, now, "kube-apiserver", server_names=names)
    )
    await call.out(
        f"[certs] apiserver serving cert is signed for {', '.join(dict.fromkeys(names))}"
    )


def _check_halves(folder: Path) -> None:
    """Refuse a certificate without its key, left by an init that was killed between the two."""
    halves = [(folder / "apiserver").with_suffix(end) for end in (".crt", ".key")]
    if halves[0].exists() != halves[1].exists():
        raise Failed(
            "error execution phase certs/apiserver: failed to write or validate certificate "
            '"apiserver": failure loading apiserver certificate: failed to load certificate'
        )


def _first_address(cidr: str) -> str:
    return str(ipaddress.ip_network(cidr)[1])


def _write_pair(stem: Path, pair: pki.Pair) -> None:
    stem.with_suffix(".crt").write_bytes(pair.certificate)
    key = stem.with_suffix(".key")
    key.touch(mode=0o600)
    key.write_bytes(pair.key)


async def _write_kubeconfigs(call: Call, settings: InitSettings) -> None:
    now = call.context.shared.clock.now()
    folder = call.context.disk / KUBERNETES
    authority = pki.read_authority(folder / "pki")
    assert authority is not None
    local = f"{settings.address}:{API_PORT}"
    node = f"system:node:{settings.registration.name}"
    for name, user, group, server in (
        ("admin.conf", "kubernetes-admin", ADMIN_GROUP, settings.cluster.endpoint or local),
        (
            "super-admin.conf",
            "kubernetes-super-admin",
            "system:masters",
            settings.cluster.endpoint or local,
        ),
        ("kubelet.conf", node, "system:nodes", local),
    ):
        pair = pki.issue(authority, now, user, organizations=[group])
        text = pki.kubeconfig(
            f"https://{server}", user, authority.certificate, pki.client_credentials(pair)
        )
        file = folder / name
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        await call.out(f'[kubeconfig] Writing "{name}" kubeconfig file')


def _write_manifests(
    folder: Path, images_of: Callable[[str, str], list[str]], settings: InitSettings
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    images = {
        image.rpartition("/")[2].partition(":")[0]: image
        for image in images_of(settings.cluster.version, settings.cluster.repository)
    }
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        manifest = addons.static_pod(name, images[name])
        (folder / f"{name}.yaml").write_text(
            yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8"
        )


def _remember(call: Call, settings: InitSettings) -> None:
    context, registration = call.context, settings.registration
    now = context.shared.clock.now()
    context.state.control_plane = {
        "name": settings.cluster.name,
        "version": settings.cluster.version,
        "pod_cidr": settings.cluster.pod_cidr,
        "service_cidr": settings.cluster.service_cidr,
        "node_cidr_mask": settings.cluster.node_cidr_mask,
        "tokens": [
            (token, (now + lifetime).isoformat() if (lifetime := _duration(ttl)) else None)
            for token, ttl in settings.tokens
        ],
    }
    taints = [MASTER_TAINT] if registration.taints is None else list(registration.taints)
    context.state.node = {
        "name": registration.name,
        "version": settings.cluster.version,
        "max_pods": settings.cluster.max_pods,
        "labels": {**registration.labels, **MASTER_LABELS},
        "taints": taints,
        "ca_hash": "",
    }


def _duration(text: str) -> timedelta:
    """Read a duration such as `2h0m0s`; zero means no end."""
    parts: dict[str, Any] = {_UNITS[unit]: int(n) for n, unit in _DURATION.findall(text)}
    return timedelta(**parts)


async def _start(call: Call, settings: InitSettings) -> None:
    machine, context = call.machine, call.context
    plane = await machine.cluster.start_plane()
    assert context.state.node is not None
    context.state.node["ca_hash"] = plane.ca_hash
    await call.out("[control-plane-check] kube-apiserver is healthy")
    machine.units.enable("kubelet")
    await machine.units.restart("kubelet")
    await machine.cluster.wait_for_kubelet()
    _check_endpoint(call, settings)
    await _install_addons(plane, settings)
    await call.out(
        "[addons] Applied essential addon: CoreDNS\n[addons] Applied essential addon: kube-proxy"
    )


def _check_endpoint(call: Call, settings: InitSettings) -> None:
    """Refuse an endpoint name that does not resolve: kubeadm calls the API by that name."""
    host, _, port = settings.cluster.endpoint.rpartition(":")
    if host and call.context.resolve(host) is None:
        raise Failed(
            "error execution phase upload-config/kubeadm: error creating token: Post "
            f'"https://{host}:{port}/api/v1": dial tcp: lookup {host}: no such host'
        )


async def _install_addons(plane: Plane, settings: InitSettings) -> None:
    api = plane.client(MASTERS)
    for manifest in addons.system_objects(settings):
        await addons.ensure(api, manifest)
