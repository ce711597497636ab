"""The objects that kubeadm creates in a new cluster."""

from collections.abc import Iterator
from typing import Any

import yaml

from localcloud.kubernetes.client import ApiClient, ApiFailure
from localcloud.kubernetes.objects.kinds import find_kind_by_name
from localcloud.machines.standins.kubeadm_config import ClusterSettings
from localcloud.machines.standins.kubeadm_versions import image_of

Manifest = dict[str, Any]
_CONFLICT = 409
_SYSTEM = "kube-system"
_EVERYWHERE = [{"operator": "Exists"}]
_ON_MASTERS = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}


TOKEN_RULES = "\n".join(
    f"[bootstrap-token] Configured RBAC rules to allow {what}"
    for what in (
        "Node Bootstrap tokens to get nodes",
        "Node Bootstrap tokens to post CSRs in order for nodes to get long term certificate "
        "credentials",
        "the csrapprover controller automatically approve CSRs from a Node Bootstrap Token",
        "certificate rotation for all node client certificates in the cluster",
    )
)
APPLIED = "[addons] Applied essential addon: CoreDNS\n[addons] Applied essential addon: kube-proxy"
"""What kubeadm prints of the rules and the add-ons, at init and at an upgrade."""


def system_objects(cluster: ClusterSettings) -> Iterator[Manifest]:
    """Yield the objects in the order of their creation."""
    yield config_map("kubeadm-config", {"ClusterConfiguration": _text(cluster.document)})
    yield kubelet_config(cluster)
    for account in ("kube-proxy", "coredns"):
        yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(account)}
    yield _kube_proxy(image_of("kube-proxy", cluster.version, cluster.repository))
    yield _dns_service(cluster.service_cidr)
    yield _coredns(image_of("coredns", cluster.version, cluster.repository))


def kubelet_config(cluster: ClusterSettings) -> Manifest:
    """Return the ConfigMap from which joining kubelets read their configuration."""
    kubelet = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"}
    return config_map("kubelet-config", {"kubelet": _text({**kubelet, **cluster.kubelet})})


def _metadata(name: str, **labels: str) -> dict[str, Any]:
    return {"name": name, "namespace": _SYSTEM, **({"labels": labels} if labels else {})}


def _text(document: Manifest) -> str:
    return yaml.safe_dump(document, sort_keys=False)


def config_map(name: str, data: dict[str, str]) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(name), "data": data}


def _kube_proxy(image: str) -> Manifest:
    labels = {"k8s-app": "kube-proxy"}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {**_metadata("kube-proxy"), "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "hostNetwork": True,
                    "serviceAccountName": "kube-proxy",
                    "priorityClassName": "system-node-critical",
                    "tolerations": _EVERYWHERE,
                    "containers": [{"name": "kube-proxy", "image": image}],
                },
            },
        },
    }


def _dns_service(service_cidr: str) -> Manifest:
    network = service_cidr.partition("/")[0].rpartition(".")[0]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            **_metadata("kube-dns"),
            "labels": {"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true"},
        },
        "spec": {
            "clusterIP": f"{network}.10",
            "selector": {"k8s-app": "kube-dns"},
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
            ],
        },
    }


def _coredns(image: str) -> Manifest:
    labels = {"k8s-app": "kube-dns"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**_metadata("coredns"), "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": "coredns",
                    "priorityClassName": "system-cluster-critical",
                    "tolerations": [
                        {"key": "CriticalAddonsOnly", "operator": "Exists"},
                        _ON_MASTERS,
                    ],
                    "nodeSelector": {"kubernetes.io/os": "linux"},
                    "containers": [
                        {
                            "name": "coredns",
                            "image": image,
                            "resources": {"requests": {"cpu": "100m", "memory": "70Mi"}},
                        }
                    ],
                },
            },
        },
    }


async def ensure(api: ApiClient, manifest: Manifest) -> None:
    """Create an object; an existing one stays."""
    kind = find_kind_by_name(manifest["apiVersion"], manifest["kind"])
    assert kind is not None, manifest["kind"]
    path = kind.path(manifest["metadata"].get("namespace", ""))
    try:
        await api.request("POST", path, body=manifest)
    except ApiFailure as failure:
        if failure.status != _CONFLICT:
            raise
