"""The article's nginx, and its page through the API server's proxy."""

import time
from collections.abc import Sequence
from typing import Any

import yaml

from domain.cluster.api import ClusterApi, Manifest
from domain.kernel.ensured import Ensured
from domain.kernel.errors import ApiRejected, NotFound
from domain.kernel.waiting import Clock, Pace, wait_for


def parse_manifests(text: str) -> tuple[dict[str, Any], ...]:
    return tuple(document for document in yaml.safe_load_all(text) if document)


def ensure_demo(
    api: ClusterApi, manifests: Sequence[Manifest], clock: Clock = time
) -> Ensured[str]:
    """Run the article's nginx, and fetch its page through the API server's proxy.

    A ReplicationController that was scaled keeps its size.

    Returns:
        The page's text.
    """
    changed = False
    for manifest in manifests:
        metadata = manifest["metadata"]
        if api.read(manifest["kind"], metadata["name"], metadata["namespace"]) is None:
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
            # The proxy finds the Service a moment before its endpoints exist.
            if isinstance(error, ApiRejected) and error.status != 503:
                raise
            return None

    text = wait_for(page, what="nginx's page", pace=Pace(timeout=120), clock=clock)
    word = "created" if changed else "kept"
    return Ensured(text, f"{word} {name}: {pods} pods Running, page of {len(text)} bytes")
