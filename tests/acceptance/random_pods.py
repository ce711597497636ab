"""Random pods that ask for all that decides where a pod may run, and nodes to run them on."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clients.kubernetes.seen import state_from
from domain.autoscaling.fit.packing import Room
from domain.autoscaling.fit.place import place_of_node
from localcloud.kubernetes.client import ApiFailure
from tests.localcloud.kubernetes.sample_cluster import SampleCluster, until

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
        spec: Obj = {"containers": [self._container(f"c{n}", 0.15) for n in range(self.pick(1, 2))]}
        if self.roll(0.25):
            init = self._container("init", 0)
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
        made: Obj = {"name": name, "image": "nginx", "resources": {"requests": requests}}
        if self.roll(ports):
            port = {"containerPort": 80, "protocol": self.pick("TCP", "UDP")}
            made["ports"] = [port | {"hostPort": self.pick(8080, 9090)}]
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
    """Add `NODES`, and the second namespace."""
    await cluster.create("/api/v1/namespaces", {"metadata": {"name": "other"}})
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
    dice, found = Dice(seed), list[str]()
    for number in range(count):
        room = await _room(cluster)
        pod = dice.pod(f"pod-{number}")
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods"
        try:
            made = await cluster.create(path, pod)
        except ApiFailure as refusal:
            assert refusal.status == 422  # noqa: PT017 - a port twice in one pod
            continue
        (seen,) = state_from([], [_as_waiting(made)], []).pending
        fitting = {place.name for place in room.places if room.misfit(seen, place) is None}
        node, words = await _outcome(cluster, f"{path}/{pod['metadata']['name']}")
        if node not in fitting if node else fitting:
            found.append(f"{pod['spec']}: {node or words}, not {sorted(fitting)}")
        if not node or dice.roll(0.8):  # the others stay, and are in the way of the next ones
            await _remove(cluster, f"{path}/{pod['metadata']['name']}")
    return found


async def _room(cluster: SampleCluster) -> Room:
    pods, nodes = await cluster.items("/api/v1/pods"), await cluster.items("/api/v1/nodes")
    return Room([place_of_node(node) for node in state_from(nodes, pods, []).nodes if node.ready])


def _as_waiting(pod: Obj) -> Obj:
    told = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    spec = {name: value for name, value in pod["spec"].items() if name != "nodeName"}
    return {**pod, "spec": spec, "status": {"phase": "Pending", "conditions": [told]}}


async def _outcome(cluster: SampleCluster, path: str) -> tuple[str, str]:
    """Wait for the scheduler's word; returns the node, or else why there is none."""
    said = ("", "")

    async def decided() -> bool:
        nonlocal said
        pod = await cluster.get(path)
        refusals = [
            one["message"]
            for one in pod["status"].get("conditions") or ()
            if one["type"] == "PodScheduled" and one["status"] == "False"
        ]
        said = pod["spec"].get("nodeName", ""), "".join(refusals)
        return any(said)

    await until(decided)
    return said


async def _remove(cluster: SampleCluster, path: str) -> None:
    await cluster.api.request("DELETE", path, body={"gracePeriodSeconds": 0})

    async def gone() -> bool:
        return await cluster.is_gone(path)

    await until(gone)
