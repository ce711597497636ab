"""Bodies with one defect: refused by name, or stored so that all clients can read them."""

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from localcloud.kubernetes.api.app import App
from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.kinds import Kind
from tests.localcloud.kubernetes.replay.asking import Answer, Request, ask

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
MOMENT = "2026-01-01T00:00:00Z"
ODD: tuple[Any, ...] = ("abc", 7, True, [], {}, [{}], {"a": "b"})

_NEEDED = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}
_APART = {
    "topologyKey": "kubernetes.io/hostname",
    "labelSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]},
}
_SPEC = {
    "containers": [
        {
            "name": "a",
            "image": "nginx",
            "ports": [{"containerPort": 80, "name": "http"}],
            "env": [{"name": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "resources": {"requests": {"cpu": "1m"}},
            "volumeMounts": [{"name": "v", "mountPath": "/x"}],
            "readinessProbe": {"httpGet": {"port": 80}},
        }
    ],
    "volumes": [{"name": "v", "secret": {"secretName": "s", "optional": True}}],
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "topologySpreadConstraints": [
        {"topologyKey": "a", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    ],
    "affinity": {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": _NEEDED},
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [_APART]},
    },
}
_LABELS = {"app": "x"}
_SMALL = {"metadata": {"labels": _LABELS}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
_MATCHING = {"selector": {"matchLabels": _LABELS}, "template": _SMALL}
_ROLE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "x"}
_BINDING = {"roleRef": _ROLE, "subjects": [{"kind": "ServiceAccount", "name": "x"}]}
_RULES = {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}

SAMPLES: dict[Kind, dict[str, Any]] = {
    kinds.CONFIG_MAP: {"data": {"a": "b"}},
    kinds.ENDPOINTS: {"subsets": [{"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 1}]}]},
    kinds.EVENT: {
        "involvedObject": {"kind": "Pod", "name": "x"},
        "message": "m",
        "source": {"component": "c"},
        "firstTimestamp": MOMENT,
        "count": 1,
    },
    kinds.NAMESPACE: {"spec": {"finalizers": ["kubernetes"]}},
    kinds.NODE: {
        "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "1.2.3.4"}],
            "allocatable": {"pods": "3"},
        },
    },
    kinds.POD: {"spec": _SPEC},
    kinds.REPLICATION_CONTROLLER: {"spec": {"selector": _LABELS, "template": _SMALL}},
    kinds.SECRET: {"data": {"a": "Yg=="}, "stringData": {"c": "d"}},
    kinds.SERVICE_ACCOUNT: {"secrets": [{"name": "x"}]},
    kinds.SERVICE: {"spec": {"type": "NodePort", "ports": [{"port": 80, "targetPort": "http"}]}},
    kinds.DAEMON_SET: {
        "spec": {**_MATCHING, "updateStrategy": {"rollingUpdate": {"maxUnavailable": 1}}}
    },
    kinds.DEPLOYMENT: {"spec": {**_MATCHING, "strategy": {"rollingUpdate": {"maxSurge": "25%"}}}},
    kinds.REPLICA_SET: {"spec": {"replicas": 1, **_MATCHING}},
    kinds.POD_DISRUPTION_BUDGET: {"spec": {"minAvailable": 1, "selector": {}}},
    kinds.CLUSTER_ROLE_BINDING: _BINDING,
    kinds.CLUSTER_ROLE: _RULES,
    kinds.ROLE_BINDING: _BINDING,
    kinds.ROLE: _RULES,
    kinds.PRIORITY_CLASS: {"value": 5},
    kinds.LEASE: {"spec": {"holderIdentity": "x", "renewTime": MOMENT}},
    kinds.ENDPOINT_SLICE: {
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["1.2.3.4"], "conditions": {"ready": True}}],
        "ports": [{"port": 1}],
    },
    kinds.PERSISTENT_VOLUME: {
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "10Gi"},
            "claimRef": {"namespace": "default", "name": "x"},
            "csi": {"driver": "d", "volumeHandle": "v"},
            "nodeAffinity": {"required": _NEEDED},
        }
    },
    kinds.CLAIM: {
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "10Gi"}},
            "storageClassName": "x",
        }
    },
    kinds.STORAGE_CLASS: {"provisioner": "d", "parameters": {"type": "0"}},
    kinds.VOLUME_ATTACHMENT: {
        "spec": {"attacher": "d", "nodeName": "n", "source": {"persistentVolumeName": "v"}}
    },
    kinds.CSI_NODE: {"spec": {"drivers": [{"name": "d", "nodeID": "i", "topologyKeys": ["z"]}]}},
    kinds.CSI_DRIVER: {"spec": {"attachRequired": True, "volumeLifecycleModes": ["Persistent"]}},
    kinds.API_SERVICE: {
        "spec": {
            "group": "g",
            "version": "v1",
            "service": {"namespace": "default", "name": "x"},
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        }
    },
}


def spoiled(body: Any) -> Iterator[Any]:
    """Yield copies of the body, each with another missing or malformed part."""
    places = body.items() if isinstance(body, dict) else enumerate(body)
    for place, value in list(places):
        without = copy.copy(body)
        del without[place]
        yield without
        inner = spoiled(value) if isinstance(value, dict | list) else iter(())
        for other in (*ODD, *inner):
            changed = copy.copy(body)
            changed[place] = other
            yield changed


async def send(app: App, method: str, path: str, body: Any = None, accept: str = "") -> Answer:
    text = "" if body is None else json.dumps(body)
    return await ask(app, Request(method, path, "", {"accept": accept}, text, is_watch=False))


async def all_clients_can_read(app: App, kind: Kind, name: str, body: dict[str, Any]) -> None:
    """Create an object; where that is accepted, read it as JSON and as a table."""
    path = kind.path("default")
    head = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}}
    created = await send(app, "POST", path, head | body)
    assert created.status in (201, 400, 422), (body, created.body)
    if created.status == 201:
        for accept in (TABLE, "application/json"):
            listed = await send(app, "GET", path, accept=accept)
            assert listed.status == 200, (body, listed.body)
        await send(app, "DELETE", kind.path("default", name), {"gracePeriodSeconds": 0})


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.kind)
def test_one_malformed_part_of_a_body_breaks_no_list(make_plane, kind):
    async def story() -> None:
        plane = make_plane()
        await plane.start()
        app = App(plane.server, "v1.36.4", "192.168.0.2")
        for number, body in enumerate(spoiled(SAMPLES[kind])):
            await all_clients_can_read(app, kind, f"odd-{number}", body)
        await plane.stop()

    asyncio.run(story())
