"""What a new cluster holds before anyone uses it: namespaces, roles, the `kubernetes` Service."""

import base64
import ipaddress
from collections.abc import Iterator
from typing import Any

import yaml

from localcloud.kubernetes import kinds
from localcloud.kubernetes.join_tokens import NAMESPACE, BootstrapToken, token_secret
from localcloud.kubernetes.kinds import Kind
from localcloud.kubernetes.registry import SYSTEM_NAMESPACES, Registry
from localcloud.kubernetes.roles import bindings, cluster_roles, role_bindings, roles

API_PORT = 6443

Body = dict[str, Any]


def furnish(
    registry: Registry,
    *,
    address: str,
    service_cidr: str,
    ca_certificate: bytes,
    tokens: tuple[BootstrapToken, ...],
) -> None:
    """Create what is missing of the system's own objects; what is there stays as it is."""
    for name in SYSTEM_NAMESPACES:
        _ensure(registry, kinds.NAMESPACE, "", _named(name))
        _ensure(registry, kinds.SERVICE_ACCOUNT, name, _named("default"))
    for kind, bodies in (
        (kinds.CLUSTER_ROLE, cluster_roles()),
        (kinds.CLUSTER_ROLE_BINDING, bindings()),
        (kinds.ROLE, roles()),
        (kinds.ROLE_BINDING, role_bindings()),
        (kinds.PRIORITY_CLASS, _priority_classes()),
    ):
        for body in bodies:
            _ensure(registry, kind, body["metadata"].get("namespace", ""), body)
    _ensure(registry, kinds.SERVICE, "default", _api_service(service_cidr))
    _ensure(registry, kinds.ENDPOINTS, "default", _api_endpoints(address))
    _ensure(registry, kinds.ENDPOINT_SLICE, "default", _api_slice(address))
    if registry.store.find(kinds.CONFIG_MAP, "kube-public", "cluster-info") is None:
        # Only once: a join token that was deleted must not come back with the next start.
        for token in tokens:
            _ensure(registry, kinds.SECRET, NAMESPACE, token_secret(token))
    info = _cluster_info(address, ca_certificate)
    _ensure(registry, kinds.CONFIG_MAP, "kube-public", info)


def _ensure(registry: Registry, kind: Kind, namespace: str, body: Body) -> None:
    if registry.store.find(kind, namespace, body["metadata"]["name"]) is None:
        registry.create(kind, namespace, body)


def _named(name: str, **metadata: Any) -> Body:
    return {"metadata": {"name": name, **metadata}}


def _priority_classes() -> Iterator[Body]:
    for name, value in (
        ("system-cluster-critical", 2_000_000_000),
        ("system-node-critical", 2_000_001_000),
    ):
        yield {
            **_named(name),
            "value": value,
            "globalDefault": False,
            "preemptionPolicy": "PreemptLowerPriority",
        }


def _api_service(service_cidr: str) -> Body:
    labels = {"component": "apiserver", "provider": "kubernetes"}
    return {
        **_named("kubernetes", labels=labels),
        "spec": {
            "clusterIP": str(ipaddress.ip_network(service_cidr)[1]),
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": API_PORT}],
            "type": "ClusterIP",
        },
    }


def _api_endpoints(address: str) -> Body:
    ports = [{"name": "https", "port": API_PORT, "protocol": "TCP"}]
    return {
        **_named("kubernetes", labels={"endpointslice.kubernetes.io/skip-mirror": "true"}),
        "subsets": [{"addresses": [{"ip": address}], "ports": ports}],
    }


def _api_slice(address: str) -> Body:
    return {
        **_named("kubernetes", labels={"kubernetes.io/service-name": "kubernetes"}),
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": API_PORT, "protocol": "TCP"}],
    }


def _cluster_info(address: str, ca_certificate: bytes) -> Body:
    """Where the API is and whose CA it has; a controller signs it with each join token."""
    cluster = {
        "certificate-authority-data": base64.b64encode(ca_certificate).decode(),
        "server": f"https://{address}:{API_PORT}",
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "", "cluster": cluster}],
        "contexts": None,
        "current-context": "",
        "users": None,
    }
    return {**_named("cluster-info"), "data": {"kubeconfig": yaml.safe_dump(config)}}
