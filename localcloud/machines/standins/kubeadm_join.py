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

from localcloud import pki
from localcloud.https import Reply, get
from localcloud.kubernetes.planes import hash_of_ca
from localcloud.machines.cluster import KUBERNETES
from localcloud.machines.standins import preflight
from localcloud.machines.standins.call import Call, Failed
from localcloud.machines.standins.kubeadm_config import Document, JoinSettings, read_join

_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
_CONFIGS = "/api/v1/namespaces/kube-system/configmaps"
_DISCOVERY = timedelta(minutes=5)  # kubeadm's own default
_SHORTEST_DISCOVERY = timedelta(seconds=20)  # a real control plane signs seconds after its start
_PAUSE = 1.0
_PREFIX = "error execution phase preflight: couldn't validate the identity of the API Server: "


class _NotYet(Exception):
    """Discovery failed, and may succeed when retried."""


@dataclass(frozen=True, slots=True)
class _Trusted:
    """A cluster whose CA has been checked."""

    ca_certificate: bytes
    context: ssl.SSLContext


async def run(call: Call, documents: Mapping[str, Document]) -> None:
    """Do what `kubeadm join` does for a node.

    Raises:
        Failed: with kubeadm's message.
    """
    machine, context = call.machine, call.context
    settings = read_join(documents, context.read_hostname())
    if not settings.ca_hashes and not settings.skips_verification:
        raise Failed(
            "discovery.bootstrapToken: Invalid value: \"\": using token-based discovery without "
            "caCertHashes can be unsafe. Set unsafeSkipCAVerification as true in your kubeadm "
            "config file to continue", 3,
        )  # fmt: skip
    await preflight.check(call, master=False)
    cluster = await _discover(call, settings)
    await call.out('[preflight] Reading configuration from the "kubeadm-config" ConfigMap')
    kubeadm = await _read_config(call, settings, cluster, "kubeadm-config", "ClusterConfiguration")
    kubelet = await _read_config(call, settings, cluster, "kubelet-config", "kubelet")
    preflight.check_kubelet_can_run(call)
    await context.shared.clock.sleep(context.shared.profile.kubeadm_join)
    _write_files(call, settings, cluster)
    registration = settings.registration
    context.state.node = {
        "name": registration.name,
        "version": "v" + context.state.packages["kubelet"].partition("-")[0],
        "max_pods": int(kubelet.get("maxPods", 110)),
        "labels": dict(registration.labels),
        "taints": list(registration.taints or ()),
        "ca_hash": hash_of_ca(cluster.ca_certificate),
    }
    await call.out(
        f"[kubelet-start] Starting the kubelet of cluster {kubeadm.get('clusterName', '')}"
    )
    machine.units.enable("kubelet")
    await machine.units.restart("kubelet")
    await machine.cluster.wait_for_kubelet()
    await call.out("\nThis node has joined the cluster")


async def _discover(call: Call, settings: JoinSettings) -> _Trusted:
    """Retry until the answer is verified or the time is up; a wrong hash fails at once."""
    shared = call.context.shared
    patience = max(_SHORTEST_DISCOVERY, timedelta(seconds=20 * shared.profile.kubeadm_join))
    deadline = shared.clock.now() + min(_DISCOVERY, patience)
    while True:
        try:
            return await _look(call, settings)
        except _NotYet as why:
            if shared.clock.now() >= deadline:
                raise Failed(
                    f"{_PREFIX}{why}\n"
                    "To see the stack trace of this error execute with --v=5 or higher"
                ) from why
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
        raise Failed(
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


async def _read_config(
    call: Call, settings: JoinSettings, cluster: _Trusted, name: str, key: str
) -> dict[str, Any]:
    try:
        reply = await _get(call, settings, cluster.context, f"{_CONFIGS}/{name}", settings.token)
    except _NotYet as error:
        raise Failed(
            f"error execution phase preflight: unable to fetch the {name} ConfigMap: {error}"
        ) from error
    if reply.status != 200:
        message = (reply.body or {}).get("message", f"HTTP {reply.status}")
        raise Failed(
            f"error execution phase preflight: unable to fetch the {name} ConfigMap: {message}"
        )
    loaded: dict[str, Any] = yaml.safe_load(reply.body["data"][key]) or {}
    return loaded


def _write_files(call: Call, settings: JoinSettings, cluster: _Trusted) -> None:
    folder = call.context.disk / KUBERNETES
    (folder / "pki").mkdir(parents=True, exist_ok=True)
    (folder / "pki/ca.crt").write_bytes(cluster.ca_certificate)
    user = f"system:node:{settings.registration.name}"
    # The kubelet's certificate would come by a signing request; here its identity is in-process.
    current = "/var/lib/kubelet/pki/kubelet-client-current.pem"
    credentials = {"client-certificate": current, "client-key": current}
    text = pki.kubeconfig(f"https://{settings.endpoint}", user, cluster.ca_certificate, credentials)
    (folder / "kubelet.conf").write_text(text, encoding="utf-8")
