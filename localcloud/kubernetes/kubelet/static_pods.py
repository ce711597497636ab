"""Static pods of a node, and their mirror pods in the API."""

import hashlib
import json
from typing import Any

from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.kubelet.node_status import NodeConfig
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import POD

MIRROR = "kubernetes.io/config.mirror"


async def create_mirror_pods(api: ApiClient, node: NodeConfig, node_uid: str, now: str) -> None:
    """Create the missing mirror pods of a node."""
    for manifest in node.static_pods:
        pod = mirror_pod(manifest, node, node_uid, now)
        try:
            await api.request("POST", POD.path(pod["metadata"]["namespace"]), body=pod)
        except ApiFailure as failure:
            if failure.reason != "AlreadyExists":
                raise


async def replace_mirror_pods(
    api: ApiClient, before: NodeConfig, after: NodeConfig, node_uid: str, now: str
) -> None:
    """Delete the mirror pods of manifests that have gone or changed, and create the missing."""
    for manifest in before.static_pods:
        if manifest in after.static_pods:
            continue
        name = f"{manifest['metadata']['name']}-{before.name}"
        path = POD.path(manifest["metadata"].get("namespace", "default"), name)
        try:
            await api.request("DELETE", path, body={"gracePeriodSeconds": 0})
        except ApiFailure as failure:
            if failure.reason != "NotFound":
                raise
    await create_mirror_pods(api, after, node_uid, now)


def mirror_pod(
    manifest: dict[str, Any], node: NodeConfig, node_uid: str, now: str
) -> dict[str, Any]:
    """Return the mirror pod of a static pod."""
    described = manifest["metadata"]
    digest = hashlib.md5(  # as kubelet hashes manifests; not for security
        json.dumps(manifest, sort_keys=True).encode(), usedforsecurity=False
    ).hexdigest()
    annotations = {
        **(described.get("annotations") or {}),
        "kubernetes.io/config.hash": digest,
        MIRROR: digest,
        "kubernetes.io/config.seen": now,
        "kubernetes.io/config.source": "file",
    }
    owner = {
        "apiVersion": "v1",
        "kind": "Node",
        "name": node.name,
        "uid": node_uid,
        "controller": True,
    }
    tolerations = [{"effect": "NoExecute", "operator": "Exists"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{described['name']}-{node.name}",
            "namespace": described.get("namespace", "default"),
            "labels": described.get("labels") or {},
            "annotations": annotations,
            "ownerReferences": [owner],
        },
        "spec": {**manifest["spec"], "nodeName": node.name, "tolerations": tolerations},
    }
