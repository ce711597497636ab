"""The initial objects of a new cluster: namespaces, roles, the `kubernetes` Service."""

import base64
import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import yaml

from localcloud.kubernetes.access.join_tokens import BootstrapToken, token_secret
from localcloud.kubernetes.access.roles import (
    AUTHENTICATION,
    bindings,
    cluster_roles,
    role_bindings,
    roles,
)
from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.registry import SYSTEM_NAMESPACES, Registry

API_PORT = 6443

Body = dict[str, Any]


def create_system_objects(
    registry: Registry,
    *,
    address: str,
    service_cidr: str,
    ca_certificate: bytes,
    tokens: tuple[BootstrapToken, ...],
) -> None:
    """Create missing system objects; existing ones stay."""
    for name in SYSTEM_NAMESPACES:
        _ensure(registry, kinds.NAMESPACE, _named(name))
        _ensure(registry, kinds.SERVICE_ACCOUNT, _named("default", namespace=name))
    for body in _priority_classes():
        _ensure(registry, kinds.PRIORITY_CLASS, body)
    _ensure(registry, kinds.SERVICE, _api_service(service_cidr))
    _ensure(registry, kinds.CONFIG_MAP, _authentication(ca_certificate))
    # Only once: the next start must not create a deleted join token again.
    is_new = registry.store.find(kinds.CONFIG_MAP, "kube-public", "cluster-info") is None
    for kind, body in kubeadm_objects(address, ca_certificate, tokens if is_new else ()):
        _ensure(registry, kind, body)


def kubeadm_objects(
    address: str, ca_certificate: bytes, tokens: Iterable[BootstrapToken]
) -> Iterator[tuple[Kind, Body]]:
    """Return the objects created by kubeadm and by the start of an API server, in order."""
    for name in SYSTEM_NAMESPACES:
        yield kinds.NAMESPACE, _named(name)
    for kind, bodies in (
        (kinds.CLUSTER_ROLE, cluster_roles()),
        (kinds.CLUSTER_ROLE_BINDING, bindings()),
        (kinds.ROLE, roles()),
        (kinds.ROLE_BINDING, role_bindings()),
    ):
        for body in bodies:
            yield kind, body
    yield kinds.ENDPOINTS, _api_endpoints([address])
    yield kinds.ENDPOINT_SLICE, _api_slice([address])
    for token in tokens:
        yield kinds.SECRET, token_secret(token)
    yield kinds.CONFIG_MAP, _cluster_info(address, ca_certificate)


def publish_addresses(registry: Registry, addresses: Sequence[str]) -> None:
    """Let the `kubernetes` Service lead to these API servers; each of them sees to it."""
    for kind, body in (
        (kinds.ENDPOINTS, _api_endpoints(addresses)),
        (kinds.ENDPOINT_SLICE, _api_slice(addresses)),
    ):
        registry.update(kind, "default", "kubernetes", body)


def _ensure(registry: Registry, kind: Kind, body: Body) -> None:
    metadata = body["metadata"]
    namespace = metadata.get("namespace", "")
    if registry.store.find(kind, namespace, metadata["name"]) is None:
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
        **_named("kubernetes", namespace="default", labels=labels),
        "spec": {
            "clusterIP": str(ipaddress.ip_network(service_cidr)[1]),
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": API_PORT}],
            "type": "ClusterIP",
        },
    }


def _api_endpoints(addresses: Sequence[str]) -> Body:
    ports = [{"name": "https", "port": API_PORT, "protocol": "TCP"}]
    labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    return {
        **_named("kubernetes", namespace="default", labels=labels),
        "subsets": [{"addresses": [{"ip": one} for one in addresses], "ports": ports}],
    }


def _api_slice(addresses: Sequence[str]) -> Body:
    labels = {"kubernetes.io/service-name": "kubernetes"}
    return {
        **_named("kubernetes", namespace="default", labels=labels),
        "addressType": "IPv4",
        "endpoints": [{"addresses": [one], "conditions": {"ready": True}} for one in addresses],
        "ports": [{"name": "https", "port": API_PORT, "protocol": "TCP"}],
    }


def _authentication(ca_certificate: bytes) -> Body:
    """Return the ConfigMap that tells other API servers whose certificates to believe.

    The second one is that of the aggregation layer's own client, signed by the same CA here.
    """
    ca = ca_certificate.decode()
    return {
        **_named(AUTHENTICATION, namespace="kube-system"),
        "data": {
            "client-ca-file": ca,
            "requestheader-allowed-names": '["front-proxy-client"]',
            "requestheader-client-ca-file": ca,
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-username-headers": '["X-Remote-User"]',
        },
    }


def _cluster_info(address: str, ca_certificate: bytes) -> Body:
    """Return the ConfigMap with the API's address and CA; a controller signs it with each token."""
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
    return {
        **_named("cluster-info", namespace="kube-public"),
        "data": {"kubeconfig": yaml.safe_dump(config)},
    }
