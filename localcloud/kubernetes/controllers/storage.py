"""What the scheduler knows of the claims of pods: which are bound, and to nodes of which kind."""

from typing import Any

from localcloud.kubernetes.client.informer import Key, Obj
from localcloud.kubernetes.client.writes import merge
from localcloud.kubernetes.controllers.context import Context
from localcloud.kubernetes.controllers.volumes import FIRST_CONSUMER, SELECTED_NODE
from localcloud.kubernetes.objects.kinds import CLAIM, PERSISTENT_VOLUME, STORAGE_CLASS
from localcloud.kubernetes.objects.pods import REQUIRED, claims_of, is_leaving

UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
NO_NODE_TERMS: list[dict[str, Any]] = [{}]


class Storage:
    """The claims, volumes and classes of a cluster."""

    def __init__(self, context: Context) -> None:
        self._api = context.api
        self._claims = context.informers.of(CLAIM)
        self._volumes = context.informers.of(PERSISTENT_VOLUME)
        self._classes = context.informers.of(STORAGE_CLASS)
        self.informers = (self._claims, self._volumes, self._classes)

    def find_problem(self, pod: Obj) -> str | None:
        """Return why the claims of a pod keep it from every node; None where they do not."""
        for key in _keys(pod):
            claim = self._claims.objects.get(key)
            if claim is None:
                return f'persistentvolumeclaim "{key[1]}" not found'
            if is_leaving(claim):
                return f'persistentvolumeclaim "{key[1]}" is being deleted'
            if not self._is_bound(claim) and not self._waits_for_pod(claim):
                return UNBOUND
        return None

    def unbound(self, pod: Obj) -> list[Obj]:
        """Return the claims whose volumes are made once the pod has a node."""
        found = (self._claims.objects.get(key) for key in _keys(pod))
        return [claim for claim in found if claim and not self._is_bound(claim)]

    async def choose(self, claims: list[Obj], node: str, nodes: set[str]) -> None:
        """Name the node for which volumes are to be made; one that is named and exists stays."""
        for claim in claims:
            chosen = (claim["metadata"].get("annotations") or {}).get(SELECTED_NODE)
            if chosen not in nodes:
                change = {"metadata": {"annotations": {SELECTED_NODE: node}}}
                self._claims.learn(await merge(self._api, CLAIM, claim, change))

    def restricted(self, pod: Obj) -> Obj:
        """Return the pod, with the nodes that its volumes can be attached to as its own wish."""
        terms = [
            volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
            for volume in self._volumes_of(pod)
            if (volume["spec"].get("nodeAffinity") or {}).get("required")
        ]
        if not terms:
            return pod
        spec = pod["spec"]
        affinity = spec.get("affinity") or {}
        of_nodes = affinity.get("nodeAffinity") or {}
        own = (of_nodes.get(REQUIRED) or {}).get("nodeSelectorTerms") or NO_NODE_TERMS
        for more in terms:
            own = [_both(one, other) for one in own for other in more]
        of_nodes = {**of_nodes, REQUIRED: {"nodeSelectorTerms": own}}
        return {**pod, "spec": {**spec, "affinity": {**affinity, "nodeAffinity": of_nodes}}}

    def _volumes_of(self, pod: Obj) -> list[Obj]:
        claims = (self._claims.objects.get(key) for key in _keys(pod))
        names = [claim["spec"].get("volumeName", "") for claim in claims if claim]
        found = (self._volumes.objects.get(("", name)) for name in names)
        return [volume for volume in found if volume]

    def _is_bound(self, claim: Obj) -> bool:
        return bool(claim.get("status", {}).get("phase") == "Bound")

    def _waits_for_pod(self, claim: Obj) -> bool:
        found = self._classes.objects.get(("", claim["spec"].get("storageClassName", "")))
        return bool(found and found.get("volumeBindingMode") == FIRST_CONSUMER)


def _keys(pod: Obj) -> list[Key]:
    return [(pod["metadata"]["namespace"], name) for name in claims_of(pod)]


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the term that holds where both terms hold."""
    fields = ("matchExpressions", "matchFields")
    joined = {name: [*(one.get(name) or ()), *(other.get(name) or ())] for name in fields}
    return {name: values for name, values in joined.items() if values}
