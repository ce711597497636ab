"""Random pods that ask for all that decides where a pod may run, and nodes to run them on."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from clients.kubernetes.seen import state_from
from domain.autoscaling.fit.packing import Room
from domain.autoscaling.fit.place import place_of_node
from localcloud.kubernetes.client import ApiFailure
from tests.localcloud.kubernetes.sample_cluster import SampleCluster, settle, until

Obj = dict[str, Any]

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
NODES: Sequence[Mapping[str, Any]] = (
    {"labels": {"zone": "a", "disk": "ssd", "size": "3"}},
    {
        "labels": {"zone": "a", "disk": "hdd", "size": "10"},
        "taints": ({"key": "dedicated", "value": "yes", "effect": "NoSchedule"},),
    },
    {
        "labels": {"zone": "b", "size": "large"},
        "taints": ({"key": "spot", "value": "no", "effect": "PreferNoSchedule"},),
        "pods": 6,
    },
    {
        "labels": {"zone": "b", "disk": "ssd", "size": "5"},
        "taints": ({"key": "gpu", "value": "yes", "effect": "NoExecute"},),
    },
)


CLASSES = (
    ("low", -5, "PreemptLowerPriority"),
    ("high", 1000, "PreemptLowerPriority"),
    ("polite", 1000, "Never"),
)


MOST_STAYING = 12
"""Pods that run at once: with more, hardly any pod finds room."""


class Dice:
    """Makes the same pods for the same seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def roll(self, share: float) -> bool:
        return self._chance.random() < share

    def pick(self, *of: Any) -> Any:
        return self._chance.choice(of)

    def some(self, most: int, make: Callable[[], Any]) -> list[Any]:
        return [make() for _ in range(self._chance.randint(1, most))]

    def pod(self, name: str) -> Obj:
        """A pod in one of two namespaces."""
        spec: Obj = {"containers": [self._container(f"c{n}", 0.4) for n in range(self.pick(1, 2))]}
        if self.roll(0.25):
            init = self._container("init", 0.4)
            spec["initContainers"] = [init | self.pick({}, {"restartPolicy": "Always"})]
        if self.roll(0.25):
            spec["nodeSelector"] = self.pick({"zone": "a"}, {"zone": "b"}, {"disk": "ssd"})
        if self.roll(0.5):
            spec["tolerations"] = self.some(2, self._toleration)
        affinity: Obj = {}
        if self.roll(0.3):
            terms = self.some(2, self._node_term)
            affinity["nodeAffinity"] = {REQUIRED: {"nodeSelectorTerms": terms}}
        for kind in ("podAffinity", "podAntiAffinity"):
            if self.roll(0.25):
                affinity[kind] = {REQUIRED: [self._pod_term()]}
        meta = {"name": name, "namespace": self.pick("default", "default", "other")}
        if self.roll(0.3):
            spec["topologySpreadConstraints"] = [self._spread()]
        if self.roll(0.3):
            spec["priorityClassName"] = self.pick("low", "high", "polite")
        if self.roll(0.03):
            claim = {"claimName": "none"}
            spec["volumes"] = [{"name": "data", "persistentVolumeClaim": claim}]
        if self.roll(0.1):
            spec["overhead"] = {"cpu": "250m"}
        if self.roll(0.1):
            spec["resources"] = {"requests": {"cpu": "2", "memory": "4Gi"}}
        if self.roll(0.1):
            spec["hostNetwork"] = True
        labels = self.pick({}, {"app": "p"}, {"app": "q"}, {"app": "q", "tier": "t"})
        return {"metadata": {**meta, "labels": labels}, "spec": {**spec, "affinity": affinity}}

    def _container(self, name: str, ports: float) -> Obj:
        requests = {}
        if self.roll(0.5):
            requests["cpu"] = self.pick("100m", "0.25", "1", "1500m", "3900m")
        if self.roll(0.4):
            requests["memory"] = self.pick("64Mi", "500M", "1Gi", "3Gi", "7.5Gi")
        if self.roll(0.05):
            requests["ephemeral-storage"] = self.pick("1Gi", "500Gi")
        if self.roll(0.03):
            requests["hugepages-2Mi"] = "4Mi"
        resources = {"requests": requests}
        if "hugepages-2Mi" in requests:
            resources["limits"] = {"hugepages-2Mi": "4Mi"}
        made: Obj = {"name": name, "image": "nginx", "resources": resources}
        if self.roll(ports):
            number = self.pick(8080, 9090)
            port = {"containerPort": number, "protocol": self.pick("TCP", "TCP", "UDP")}
            address = self.pick({}, {"hostIP": self.pick("10.0.0.1", "10.0.0.2", "0.0.0.0")})
            made["ports"] = [port | {"hostPort": number} | address]
        return made

    def _toleration(self) -> Obj:
        key = self.pick("dedicated", "gpu", "spot")
        made = self.pick(
            {"operator": "Exists"},
            {"key": key, "operator": "Exists"},
            {"key": key, "operator": "Equal", "value": self.pick("yes", "no")},
        )
        return made | self.pick({}, {"effect": self.pick("NoSchedule", "NoExecute")})

    def _node_term(self) -> Obj:
        if self.roll(0.1):
            name = {"key": "metadata.name", "operator": self.pick("In", "NotIn")}
            return {"matchFields": [name | {"values": [self.pick("node-0", "node-1")]}]}
        return {"matchExpressions": self.some(2, self._expression)} if self.roll(0.95) else {}

    def _expression(self) -> Obj:
        key = self.pick("zone", "disk", "size", "absent", "kubernetes.io/hostname")
        return {"key": key} | self.pick(
            {"operator": "In", "values": [self.pick("a", "ssd", "3"), self.pick("b", "node-1")]},
            {"operator": "NotIn", "values": [self.pick("a", "ssd", "10", "node-0")]},
            {"operator": "Exists"},
            {"operator": "DoesNotExist"},
            {"operator": self.pick("Gt", "Lt"), "values": [self.pick("0", "4", "-7")]},
        )

    def _spread(self) -> Obj:
        hard = {"whenUnsatisfiable": "DoNotSchedule"} | self.pick({}, {}, {"minDomains": 3})
        made: Obj = {
            "topologyKey": self.pick("kubernetes.io/hostname", "zone", "zone", "disk"),
            "maxSkew": self.pick(1, 1, 2),
            **(hard if self.roll(0.9) else {"whenUnsatisfiable": "ScheduleAnyway"}),
        }
        if self.roll(0.9):
            made["labelSelector"] = self.pick({}, {"matchLabels": {"app": self.pick("p", "q")}})
        for policy in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if self.roll(0.4):
                made[policy] = self.pick("Honor", "Ignore")
        return made

    def _pod_term(self) -> Obj:
        topology = self.pick("kubernetes.io/hostname", "kubernetes.io/hostname", "zone", "absent")
        term: Obj = {"topologyKey": topology}
        if self.roll(0.9):
            term["labelSelector"] = self.pick(
                {},
                {"matchLabels": {"app": self.pick("p", "q")}},
                {"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]},
            )
        if self.roll(0.2):
            term["namespaces"] = [self.pick("default", "other")]
        if self.roll(0.1):
            other = {"matchLabels": {"kubernetes.io/metadata.name": "other"}}
            term["namespaceSelector"] = self.pick({}, other)
        return term


async def add_nodes(cluster: SampleCluster) -> None:
    """Add `NODES`, the second namespace, and the classes of priority."""
    await cluster.create("/api/v1/namespaces", {"metadata": {"name": "other"}})
    for name, value, policy in CLASSES:
        body = {"metadata": {"name": name}, "value": value, "preemptionPolicy": policy}
        await cluster.create("/apis/scheduling.k8s.io/v1/priorityclasses", body)
    for number, wanted in enumerate(NODES):
        await cluster.add_node(f"node-{number}", **wanted)
    await cluster.install_network()

    async def all_have_it() -> bool:
        pods = await cluster.pods("kube-system")
        return [pod["status"].get("phase") for pod in pods] == ["Running"] * len(NODES)

    await until(all_have_it)


async def find_disagreements(cluster: SampleCluster, seed: int, count: int) -> list[str]:
    """Let the cluster's scheduler place one pod after the other, and ask our packing as well.

    Returns:
        A sentence for each pod that was put where packing would not, or that found no node
        although packing knows one.
    """
    dice, found, staying = Dice(seed), list[str](), list[str]()
    for number in range(count):
        room = await _room(cluster)
        pod = dice.pod(f"pod-{number}")
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods"
        try:
            made = await cluster.create(path, pod)
        except ApiFailure as refusal:
            assert refusal.status in (403, 422)  # noqa: PT017 - a port twice, overhead by hand
            continue
        (seen,) = state_from([], [_as_waiting(made)], []).pending
        fitting = {place.name for place in room.places if room.misfit(seen, place) is None}
        node, words, held = await _outcome(cluster, f"{path}/{pod['metadata']['name']}")
        if node:
            agrees = node in fitting or await _others_left(cluster, room)
        else:
            agrees = held or not fitting
        if not agrees:
            found.append(f"{pod['spec']}: {node or words}, not {sorted(fitting)}")
        if node and dice.roll(0.5):  # it stays, and is in the way of the next ones
            staying.append(f"{path}/{pod['metadata']['name']}")
        else:
            await _remove(cluster, f"{path}/{pod['metadata']['name']}")
        if len(staying) > MOST_STAYING:
            await _remove(cluster, staying.pop(0))
    return found


async def _room(cluster: SampleCluster) -> Room:
    """The room once all pods are gone that have made way for another."""
    pods: list[Obj] = []

    async def at_rest() -> bool:
        nonlocal pods
        pods = await cluster.items("/api/v1/pods")
        return not any("deletionTimestamp" in pod["metadata"] for pod in pods)

    await _soon(at_rest)
    nodes = await cluster.items("/api/v1/nodes")
    return Room([place_of_node(node) for node in state_from(nodes, pods, []).nodes if node.ready])


async def _others_left(cluster: SampleCluster, room: Room) -> bool:
    """Whether pods have made way, so that a pod runs for which there was no room."""
    left = {pod.title for place in room.places for pod in place.residents}
    for pod in await cluster.items("/api/v1/pods"):
        if "deletionTimestamp" not in pod["metadata"]:
            left.discard(f"{pod['metadata']['namespace']}/{pod['metadata']['name']}")
    return bool(left)


def _as_waiting(pod: Obj) -> Obj:
    told = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    spec = {name: value for name, value in pod["spec"].items() if name != "nodeName"}
    return {**pod, "spec": spec, "status": {"phase": "Pending", "conditions": [told]}}


async def _outcome(cluster: SampleCluster, path: str) -> tuple[str, str, bool]:
    """Wait for the scheduler's word.

    Returns: the node; else why there is none, and whether our reading says that no machine helps.
    """
    said = ("", "", False)

    async def decided() -> bool:
        nonlocal said
        pod = await cluster.get(path)
        refusals = [
            one["message"]
            for one in pod["status"].get("conditions") or ()
            if one["type"] == "PodScheduled" and one["status"] == "False"
        ]
        held = bool(state_from([], [pod], []).held)
        said = pod["spec"].get("nodeName", ""), "".join(refusals), held
        return any(said)

    await _soon(decided)
    return said


async def _remove(cluster: SampleCluster, path: str) -> None:
    with suppress(ApiFailure):  # another pod has taken its place
        await cluster.api.request("DELETE", path, body={"gracePeriodSeconds": 0})

    async def gone() -> bool:
        return await cluster.is_gone(path)

    await _soon(gone)


async def _soon(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait, without a pause where everything runs in this process."""
    for _ in range(50):
        if await holds():
            return
        await settle(2)
    await until(holds)
