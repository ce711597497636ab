"""The ReplicaSets of a Deployment as its revisions."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from localcloud.kubernetes.client.informer import Obj
from localcloud.kubernetes.controllers.replication import owner_reference
from localcloud.kubernetes.objects.kinds import DEPLOYMENT
from localcloud.kubernetes.objects.names import ALPHABET

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def template_hash(template: Mapping[str, Any]) -> str:
    """Return the hash of a pod template: 32 bits as a decimal number, each digit a letter."""
    text = json.dumps(template, sort_keys=True).encode()
    number = int.from_bytes(hashlib.sha256(text).digest()[:4])
    return "".join(ALPHABET[ord(digit) % len(ALPHABET)] for digit in str(number))


def same_template(deployment: Obj, replica_set: Obj) -> bool:
    """Return whether a ReplicaSet has the Deployment's template."""
    template = replica_set["spec"]["template"]
    described = template.get("metadata") or {}
    labels = {
        name: value for name, value in (described.get("labels") or {}).items() if name != HASH_LABEL
    }
    plain = {**template, "metadata": {**described, "labels": labels}}
    wanted = deployment["spec"]["template"]
    return _without_empty(plain) == _without_empty(wanted)


def _without_empty(template: Mapping[str, Any]) -> dict[str, Any]:
    described = template.get("metadata") or {}
    ignored = ("creationTimestamp",)
    meta = {name: value for name, value in described.items() if value and name not in ignored}
    return {**template, "metadata": meta}


def revision_of(obj: Obj) -> int:
    """Return the number of a revision; 0 when it has none yet."""
    text = (obj["metadata"].get("annotations") or {}).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def find_new(deployment: Obj, replica_sets: list[Obj]) -> Obj | None:
    """Return the ReplicaSet of the Deployment's current template; the oldest when several."""
    matching = [one for one in replica_sets if same_template(deployment, one)]
    return min(matching, key=lambda one: one["metadata"]["creationTimestamp"], default=None)


def make_replica_set(deployment: Obj, replicas: int, limit: int, revision: int) -> Obj:
    """Return a new ReplicaSet for a Deployment's current template.

    Args:
        limit: how many pods the Deployment may have during a rollout.
    """
    meta, spec = deployment["metadata"], deployment["spec"]
    template = spec["template"]
    digest = template_hash(template)
    described = template.get("metadata") or {}
    labels = {**(described.get("labels") or {}), HASH_LABEL: digest}
    selector = spec["selector"]
    matched = {**(selector.get("matchLabels") or {}), HASH_LABEL: digest}
    wanted = {
        "replicas": replicas,
        "selector": {**selector, "matchLabels": matched},
        "template": {**template, "metadata": {**described, "labels": labels}},
    }
    if spec.get("minReadySeconds"):
        wanted["minReadySeconds"] = spec["minReadySeconds"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta['name']}-{digest}",
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": replica_set_annotations(deployment, limit, revision),
            "ownerReferences": [owner_reference(DEPLOYMENT, deployment)],
        },
        "spec": wanted,
    }


def replica_set_annotations(deployment: Obj, limit: int, revision: int) -> dict[str, str]:
    """Return the Deployment's annotations of a ReplicaSet."""
    own = deployment["metadata"].get("annotations") or {}
    kept = {name: value for name, value in own.items() if name not in (REVISION, LAST_APPLIED)}
    return {
        **kept,
        DESIRED: str(deployment["spec"].get("replicas", 1)),
        MAXIMUM: str(limit),
        REVISION: str(revision),
    }
