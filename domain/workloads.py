"""What is put into a cluster through its API: its own description, join tokens, the demo."""

import json
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import yaml

from domain.cluster_api import ClusterApi, Manifest, Node
from domain.ensured import Ensured
from domain.errors import ApiRejected, InvalidSpec, NotFound
from domain.pki import BootstrapToken
from domain.spec import ClusterSpec, parse_spec
from domain.waiting import Clock, Pace, wait_for

SYSTEM = "kube-system"
SPEC_NAME = "cluster-spec"
TOKEN_NAME = "bootstrap-token-"  # noqa: S105 - a prefix of names, by which kubeadm knows tokens
SIGNATURE = "jws-kubeconfig-"


def wait_for_apiserver(api: ClusterApi, url: str, clock: Clock = time) -> Ensured[str]:
    """Wait until the API server answers and says that it is ready; the value is its version."""
    wait_for(
        lambda: True if api.is_ready() else None, what=f"API server at {url} ready", clock=clock
    )
    version = api.read_version()
    return Ensured(version, f"{version} answers at {url}")


def wait_for_nodes(
    api: ClusterApi, names: Sequence[str], clock: Clock = time
) -> Ensured[tuple[Node, ...]]:
    """Wait until all these nodes are Ready, in one call a look for all of them."""

    def ready() -> tuple[Node, ...] | None:
        found = {node.name: node for node in api.list_nodes()}
        nodes = tuple(found[name] for name in names if name in found and found[name].ready)
        return nodes if len(nodes) == len(names) else None

    nodes = wait_for(ready, what=f"nodes {', '.join(names)} Ready", clock=clock)
    return Ensured(nodes, f"{len(nodes)} Ready")


def spec_manifest(spec: ClusterSpec) -> Manifest:
    """The ConfigMap that remembers what was asked; it holds no secret."""
    text = json.dumps(spec.model_dump(mode="json"), indent=2, sort_keys=True)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": SPEC_NAME, "namespace": SYSTEM},
        "data": {"spec.json": text},
    }


def store_spec(api: ClusterApi, spec: ClusterSpec) -> Ensured[ClusterSpec]:
    changed = api.apply(spec_manifest(spec))
    return Ensured(spec, f"{'saved in' if changed else 'kept in'} ConfigMap {SYSTEM}/{SPEC_NAME}")


def read_spec(api: ClusterApi) -> ClusterSpec | None:
    """What was asked last; None where nothing was stored yet.

    Raises:
        InvalidSpec: what is stored is not understood, as after an edit by hand. Nobody may go on
            as if nothing had been asked, and write that over it.
    """
    found = api.read("ConfigMap", SPEC_NAME, SYSTEM)
    if not found:
        return None
    try:
        return parse_spec(json.loads(found["data"]["spec.json"]))
    except (InvalidSpec, KeyError, ValueError) as error:
        raise InvalidSpec(
            f"the cluster's stored description is not valid ({error}); correct it with: "
            f"kubectl -n {SYSTEM} edit configmap {SPEC_NAME}"
        ) from error


def publish_token(
    api: ClusterApi, token: BootstrapToken, expires: datetime, clock: Clock = time
) -> Ensured[None]:
    """Let the API server accept a join token, and wait until nodes can trust the cluster by it.

    A controller signs `cluster-info` with it a moment later. kubeadm on a node that looks too early
    looks again only after five seconds.

    Args:
        expires: in UTC.
    """
    api.apply(_token_manifest(token, expires))

    def signed() -> bool | None:
        info = api.read("ConfigMap", "cluster-info", "kube-public") or {}
        return True if SIGNATURE + token.id in info.get("data", {}) else None

    what = f"signature of join token {token.id} in kube-public/cluster-info"
    wait_for(signed, what=what, pace=Pace(timeout=120, interval=0.1, longest=2.0), clock=clock)
    return Ensured(None, f"{token.id} accepted until {expires:%Y-%m-%d %H:%M} UTC")


def _token_manifest(token: BootstrapToken, expires: datetime) -> Manifest:
    """The Secret by which the API server knows a join token, as kubeadm writes it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": TOKEN_NAME + token.id, "namespace": SYSTEM},
        "stringData": {
            "token-id": token.id,
            "token-secret": token.value.partition(".")[2],
            "expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "usage-bootstrap-authentication": "true",
            "usage-bootstrap-signing": "true",
            "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
        },
    }


def forget_token(api: ClusterApi, token: BootstrapToken) -> None:
    """Delete a join token once it was used: a lost one must open nothing."""
    api.delete("Secret", TOKEN_NAME + token.id, SYSTEM)


def parse_manifests(text: str) -> tuple[dict[str, Any], ...]:
    return tuple(document for document in yaml.safe_load_all(text) if document)


def ensure_demo(
    api: ClusterApi, manifests: Sequence[Manifest], clock: Clock = time
) -> Ensured[str]:
    """Run the article's nginx, and fetch its page through the API server's proxy.

    The value is the page's text. A ReplicationController that somebody scaled keeps its size.
    """
    changed = False
    for manifest in manifests:
        metadata = manifest["metadata"]
        there = api.read(manifest["kind"], metadata["name"], metadata["namespace"])
        if there is None:
            changed = api.apply(manifest) or changed
    controller = next(m for m in manifests if m["kind"] == "ReplicationController")
    service = next(m for m in manifests if m["kind"] == "Service")
    name, namespace = controller["metadata"]["name"], controller["metadata"]["namespace"]
    labels = ",".join(f"{k}={v}" for k, v in controller["spec"]["selector"].items())

    def running() -> int | None:
        seen = api.read("ReplicationController", name, namespace)
        wanted = seen["spec"]["replicas"] if seen else 0
        pods = [pod for pod in api.list_pods(namespace=namespace, selector=labels) if pod.ready]
        return len(pods) if seen and len(pods) >= wanted else None

    pods = wait_for(running, what=f"pods of {namespace}/{name} Running", clock=clock)

    def page() -> str | None:
        try:
            return api.fetch_service_page(namespace, service["metadata"]["name"])
        except (NotFound, ApiRejected) as error:
            # The proxy knows the Service a moment before it knows its endpoints.
            if isinstance(error, ApiRejected) and error.status != 503:
                raise
            return None

    text = wait_for(page, what="nginx's page", pace=Pace(timeout=120), clock=clock)
    word = "created" if changed else "kept"
    return Ensured(text, f"{word} {name}: {pods} pods Running, page of {len(text)} bytes")
