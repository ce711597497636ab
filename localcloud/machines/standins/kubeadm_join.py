"""`kubeadm join`: discover the cluster, verify the hash of its CA, register the node."""

import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import yaml

from localcloud.https import Reply, get
from localcloud.kubernetes.client import MASTERS, ApiFailure
from localcloud.kubernetes.objects.kinds import NODE
from localcloud.kubernetes.planes import Plane, hash_of_ca
from localcloud.machines.cluster import KUBERNETES
from localcloud.machines.standins import kubeadm_kubelet, preflight
from localcloud.machines.standins.call import Call, Failed
from localcloud.machines.standins.kubeadm_config import (
    ClusterSettings,
    Document,
    JoinSettings,
    read_cluster,
    read_join,
)
from localcloud.machines.standins.kubeadm_init import mark_control_plane
from localcloud.machines.standins.kubeadm_master_join import become_master, check_conditions
from localcloud.machines.standins.kubeadm_versions import installed

_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
_SYSTEM = "/api/v1/namespaces/kube-system"
_SHORTEST_DISCOVERY = timedelta(seconds=20)  # a real control plane signs seconds after its start
_PAUSE = 1.0
_PREFIX = "couldn't validate the identity of the API Server: "


class _NotYet(Exception):
    """Discovery failed, and may succeed when retried."""


@dataclass(frozen=True, slots=True)
class _Trusted:
    """A cluster whose CA has been checked."""

    ca_certificate: bytes
    context: ssl.SSLContext


async def run(call: Call, documents: Mapping[str, Document]) -> None:
    """Do what `kubeadm join` does, for a node or a further master.

    Raises:
        Failed: with kubeadm's message; files of finished phases stay, as with kubeadm.
    """
    context = call.context
    settings = read_join(documents, context.read_hostname(), context.spec.address)
    node, master = settings.registration.name, settings.control_plane
    await preflight.check_join(call, node, is_master=master is not None)
    trusted = await _discover(call, settings)
    cluster = await _read_cluster(call, settings, trusted)
    if master is not None:
        await check_conditions(call, cluster, master)
        await preflight.check_master(call, node, cluster.version)
    plane = context.find_plane(hash_of_ca(trusted.ca_certificate))
    assert plane is not None, "the cluster has just answered"
    if master is not None:

        async def read_secret(name: str) -> dict[str, Any] | None:
            path = f"{_SYSTEM}/secrets/{name}"
            reply = await _get(call, settings, trusted.context, path, settings.token)
            return reply.body if reply.status == 200 else None

        await become_master(call, cluster, node, master, read_secret)
    await _start_kubelet(call, settings, cluster, trusted, plane)
    if master is not None:
        taints = settings.registration.taints
        await mark_control_plane(call, plane.client(MASTERS), node, taints)
        await _finish_master(call)
    else:
        await call.out(
            "\nThis node has joined the cluster:\n"
            "* Certificate signing request was sent to apiserver and a response was received.\n"
            "* The Kubelet was informed of the new secure connection details.\n"
            "\nRun 'kubectl get nodes' on the control-plane to see this node join the cluster.\n"
        )


async def _start_kubelet(
    call: Call,
    settings: JoinSettings,
    cluster: ClusterSettings,
    trusted: _Trusted,
    plane: Plane,
) -> None:
    machine, context, registration = call.machine, call.context, settings.registration
    folder = context.disk / KUBERNETES
    (folder / "pki").mkdir(parents=True, exist_ok=True)
    (folder / "pki/ca.crt").write_bytes(trusted.ca_certificate)
    bootstrap = folder / "bootstrap-kubelet.conf"  # stays after a failure from here on
    bootstrap.touch(mode=0o600)
    bootstrap.write_text(f"token: {settings.token}\n", encoding="utf-8")
    await _check_name(plane, registration.name)
    await kubeadm_kubelet.configure(call, cluster.kubelet, registration)
    await kubeadm_kubelet.check_health(call, "kubelet-start")
    await call.out("[kubelet-start] Waiting for the kubelet to perform the TLS Bootstrap")
    await context.shared.clock.sleep(context.shared.profile.kubeadm_join)
    context.state.node = {
        "name": registration.name,
        "version": installed(call, "kubelet"),
        "max_pods": cluster.max_pods,
        "labels": dict(registration.labels),
        "taints": _taints(settings),
        "ca_hash": plane.ca_hash,
    }
    await kubeadm_kubelet.write_own_certificate(call, registration.name, plane, settings.endpoint)
    bootstrap.unlink()
    machine.units.enable("kubelet")
    await machine.units.restart("kubelet")
    await machine.cluster.wait_for_kubelet()


def _taints(settings: JoinSettings) -> list[Document]:
    """Return what the kubelet registers with; of a master, kubeadm sets them by the API."""
    return [] if settings.control_plane else list(settings.registration.taints or ())


async def _check_name(plane: Plane, name: str) -> None:
    """Refuse the name of a Node that is Ready, which another machine may have."""
    try:
        found = await plane.client(MASTERS).request("GET", NODE.path("", name))
    except ApiFailure:
        return
    conditions = found.get("status", {}).get("conditions") or ()
    if any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
        raise Failed(
            f'error execution phase kubelet-start: a Node with name "{name}" and status '
            '"Ready" already exists in the cluster. You must delete the existing Node or change '
            f"the name of this new joining Node"
        )


async def _finish_master(call: Call) -> None:
    await call.out(
        "[control-plane-check] Waiting for healthy control plane components. This can take up to "
        "4m0s"
    )
    for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        await call.out(f"[control-plane-check] {component} is healthy after 1.501s")
    await call.out(
        "\nThis node has joined the cluster and a new control plane instance was created:\n\n"
        "* Certificate signing request was sent to apiserver and approval was received.\n"
        "* The Kubelet was informed of the new secure connection details.\n"
        "* Control plane label and taint were applied to the new node.\n"
        "* The Kubernetes control plane instances scaled up.\n"
        "* A new etcd member was added to the local/stacked etcd cluster."
    )


def _phase_error(what: object) -> Failed:
    return Failed(f"error execution phase preflight: {what}")


async def _discover(call: Call, settings: JoinSettings) -> _Trusted:
    """Retry until the answer is verified or the time is up; a wrong hash fails at once."""
    shared = call.context.shared
    patience = max(_SHORTEST_DISCOVERY, timedelta(seconds=20 * shared.profile.kubeadm_join))
    deadline = shared.clock.now() + min(settings.discovery, patience)
    while True:
        try:
            return await _look(call, settings)
        except _NotYet as why:
            if shared.clock.now() >= deadline:
                raise _phase_error(f"{_PREFIX}{why}") from why
        await shared.clock.sleep(_PAUSE)


async def _look(call: Call, settings: JoinSettings) -> _Trusted:
    insecure = ssl.create_default_context()
    insecure.check_hostname = False
    insecure.verify_mode = ssl.CERT_NONE  # nothing is trusted yet: the hash below decides
    reply = await _get(call, settings, insecure, _INFO)
    data: dict[str, str] = (reply.body or {}).get("data", {}) if reply.status == 200 else {}
    if "kubeconfig" not in data:
        raise _NotYet(f"could not read the cluster-info ConfigMap: HTTP {reply.status}")
    _check_signature(data, settings.token)
    document = yaml.safe_load(data["kubeconfig"])
    encoded = document["clusters"][0]["cluster"]["certificate-authority-data"]
    certificate = base64.b64decode(encoded)
    found = hash_of_ca(certificate)
    if settings.ca_hashes and found not in settings.ca_hashes:
        raise _phase_error(
            f"{_PREFIX}cluster CA found in cluster-info ConfigMap is invalid: none of the public "
            f'keys "{found}" are pinned'
        )
    secure = ssl.create_default_context(cadata=certificate.decode())
    await _get(call, settings, secure, _INFO)
    return _Trusted(certificate, secure)


def _check_signature(data: Mapping[str, str], token: str) -> None:
    """Check that cluster-info is signed with the token."""
    key, _, secret = token.partition(".")
    signature = data.get(f"jws-kubeconfig-{key}")
    if signature is None:
        raise _NotYet(
            f'could not find a JWS signature in the cluster-info ConfigMap for token ID "{key}"'
        )
    head, _, given = signature.split(".")
    signed = f"{head}.{_b64(data['kubeconfig'].encode())}".encode()
    expected = _b64(hmac.digest(secret.encode(), signed, hashlib.sha256))
    if json.loads(base64.urlsafe_b64decode(head + "=="))["kid"] != key or not hmac.compare_digest(
        expected, given
    ):
        raise _NotYet(
            "failed to verify JWS signature of received cluster info object, can't trust this "
            "API Server"
        )


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


async def _get(
    call: Call, settings: JoinSettings, context: ssl.SSLContext, path: str, bearer: str = ""
) -> Reply:
    """Send a GET from the machine: by its /etc/hosts, through the private network."""
    host, _, port = settings.endpoint.rpartition(":")
    url = f'Get "https://{settings.endpoint}{path}"'
    address = call.context.resolve(host)
    if address is None:
        raise _NotYet(f"{url}: dial tcp: lookup {host}: no such host")
    try:
        connection = call.context.dial(address, int(port))
        return await get(connection, context, host, path, bearer=bearer)
    except ssl.SSLError as error:
        raise _NotYet(f"{url}: tls: failed to verify certificate: x509: {error}") from error
    except TimeoutError as error:
        raise _NotYet(f"{url}: dial tcp {address}:{port}: i/o timeout") from error
    except ConnectionRefusedError as error:
        raise _NotYet(f"{url}: dial tcp {address}:{port}: connect: connection refused") from error
    except OSError as error:
        raise _NotYet(f"{url}: EOF ({error})") from error


async def _read_cluster(call: Call, settings: JoinSettings, trusted: _Trusted) -> ClusterSettings:
    """Read the cluster's configuration as kubeadm has stored it."""
    await call.out(
        '[preflight] Reading configuration from the "kubeadm-config" ConfigMap in namespace '
        '"kube-system"...\n'
        "[preflight] Use 'kubeadm init phase upload-config kubeadm --config your-config-file' to "
        "re-upload it."
    )
    now = call.context.shared.clock.now()
    await call.err(
        f"W{now:%m%d %H:%M:%S.%f}    4711 configset.go:77] Warning: The recommended value for "
        '"bindAddress" in "KubeProxyConfiguration" is: ::'
    )
    kind = "ClusterConfiguration"
    stored = await _read_config(call, settings, trusted, "kubeadm-config", kind)
    kubelet = await _read_config(call, settings, trusted, "kubelet-config", "kubelet")
    return read_cluster({kind: stored, "KubeletConfiguration": kubelet})


async def _read_config(
    call: Call, settings: JoinSettings, trusted: _Trusted, name: str, key: str
) -> dict[str, Any]:
    path = f"{_SYSTEM}/configmaps/{name}"
    try:
        reply = await _get(call, settings, trusted.context, path, settings.token)
    except _NotYet as error:
        raise _phase_error(f"unable to fetch the {name} ConfigMap: {error}") from error
    if reply.status != 200:
        message = (reply.body or {}).get("message", f"HTTP {reply.status}")
        raise _phase_error(f"unable to fetch the {name} ConfigMap: {message}")
    loaded: dict[str, Any] = yaml.safe_load(reply.body["data"][key]) or {}
    return loaded
