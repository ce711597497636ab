"""The description that a cluster stores, in a ConfigMap."""

import json

from domain.cluster.api import SYSTEM, ClusterApi, Manifest
from domain.kernel.ensured import Ensured
from domain.kernel.errors import InvalidSpec
from domain.spec.cluster import ClusterSpec, parse_spec

SPEC_NAME = "cluster-spec"


def spec_manifest(spec: ClusterSpec) -> Manifest:
    """The ConfigMap with the description; it holds no secret."""
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
    """Read the stored description. Returns: None where nothing was stored yet.

    A scaling policy that is not valid is kept unread: it stops the autoscaler alone.

    Raises:
        InvalidSpec: another part is not valid, as after an edit by hand. A run must not go on with
            defaults and overwrite it.
    """
    found = api.read("ConfigMap", SPEC_NAME, SYSTEM)
    if not found:
        return None
    try:
        return parse_spec(json.loads(found["data"]["spec.json"]), stored=True)
    except (InvalidSpec, KeyError, ValueError) as error:
        raise InvalidSpec(
            f"the cluster's stored description is not valid ({error}); correct it with: "
            f"kubectl -n {SYSTEM} edit configmap {SPEC_NAME}"
        ) from error
