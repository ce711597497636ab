"""The description that a cluster remembers, in a ConfigMap of its own."""

import json

from domain.cluster.api import SYSTEM, ClusterApi, Manifest
from domain.kernel.ensured import Ensured
from domain.kernel.errors import InvalidSpec
from domain.spec.cluster import ClusterSpec, parse_spec

SPEC_NAME = "cluster-spec"


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
