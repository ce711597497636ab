"""The initial roles and bindings of every cluster, as far as they are used here."""

from collections.abc import Iterable
from typing import Any

Body = dict[str, Any]
Rule = dict[str, Any]

_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_ALL = ("*",)
_EVENTS_GROUP = "events.k8s.io"

_WORKLOADS_CORE = (
    "configmaps", "endpoints", "events", "pods", "pods/log", "pods/status",
    "replicationcontrollers", "replicationcontrollers/scale", "replicationcontrollers/status",
    "serviceaccounts", "services", "services/status",
)  # fmt: skip
_WORKLOADS_APPS = (
    "daemonsets", "daemonsets/status", "deployments", "deployments/scale", "deployments/status",
    "replicasets", "replicasets/scale", "replicasets/status",
)  # fmt: skip
_SECRETIVE = (
    "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy",
)  # fmt: skip

AUTHENTICATION = "extension-apiserver-authentication"
AUTHENTICATION_READER = f"{AUTHENTICATION}-reader"
JOINERS = "system:bootstrappers:kubeadm:default-node-token"
ADMINS = "kubeadm:cluster-admins"


def _rule(groups: Iterable[str], resources: Iterable[str], verbs: Iterable[str]) -> Rule:
    return {"apiGroups": list(groups), "resources": list(resources), "verbs": list(verbs)}


def _paths(*paths: str) -> Rule:
    return {"nonResourceURLs": list(paths), "verbs": ["get"]}


def _viewing() -> list[Rule]:
    return [
        _rule([""], [*_WORKLOADS_CORE, "namespaces", "namespaces/status"], _READ),
        _rule(["apps"], _WORKLOADS_APPS, _READ),
        _rule(["policy"], ["poddisruptionbudgets", "poddisruptionbudgets/status"], _READ),
        _rule(["discovery.k8s.io"], ["endpointslices"], _READ),
        _rule([_EVENTS_GROUP], ["events"], _READ),
    ]


def _editing() -> list[Rule]:
    changed = [name for name in _WORKLOADS_CORE if not name.endswith(("/status", "/log"))]
    return [
        *_viewing(),
        _rule([""], _SECRETIVE, [*_READ, *_WRITE]),
        _rule([""], [*changed, "events"], _WRITE),
        _rule([""], ["pods/eviction", "serviceaccounts/token"], ["create"]),
        _rule(["apps"], [n for n in _WORKLOADS_APPS if not n.endswith("/status")], _WRITE),
        _rule(["policy"], ["poddisruptionbudgets"], _WRITE),
        _rule(["coordination.k8s.io"], ["leases"], [*_READ, *_WRITE]),
    ]


def _administering() -> list[Rule]:
    rbac = ["roles", "rolebindings"]
    return [
        *_editing(),
        _rule(["rbac.authorization.k8s.io"], rbac, [*_READ, *_WRITE]),
        _rule(["authorization.k8s.io"], ["localsubjectaccessreviews"], ["create"]),
    ]


def _kubelet() -> list[Rule]:
    return [
        _rule([""], ["nodes"], [*_READ, "create", "patch", "update"]),
        _rule([""], ["nodes/status", "pods/status"], ["patch", "update"]),
        _rule([""], ["pods"], [*_READ, "create", "delete"]),
        _rule([""], ["pods/eviction", "serviceaccounts/token"], ["create"]),
        _rule([""], ["configmaps", "secrets", "services", "endpoints", "namespaces"], _READ),
        _rule(["discovery.k8s.io"], ["endpointslices"], _READ),
        _rule(["", _EVENTS_GROUP], ["events"], ["create", "patch", "update"]),
        _rule(["coordination.k8s.io"], ["leases"], [*_READ, "create", "patch", "update"]),
        _rule(["authentication.k8s.io"], ["tokenreviews"], ["create"]),
        _rule(["authorization.k8s.io"], ["subjectaccessreviews"], ["create"]),
    ]


def _own_access() -> list[Rule]:
    reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
    return [
        _rule(["authorization.k8s.io"], reviews, ["create"]),
        _rule(["authentication.k8s.io"], ["selfsubjectreviews"], ["create"]),
    ]


_DISCOVERY = _paths(
    "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*",
    "/readyz", "/version", "/version/",
)  # fmt: skip
_HEALTH = _paths("/healthz", "/livez", "/readyz", "/version", "/version/")
_ISSUER = _paths(
    "/.well-known/openid-configuration", "/.well-known/openid-configuration/",
    "/openid/v1/jwks", "/openid/v1/jwks/",
)  # fmt: skip

_CLUSTER_ROLES = {
    "cluster-admin": [_rule(_ALL, _ALL, _ALL), {"nonResourceURLs": ["*"], "verbs": ["*"]}],
    "admin": _administering(),
    "edit": _editing(),
    "view": _viewing(),
    "system:basic-user": _own_access(),
    "system:discovery": [_DISCOVERY],
    "system:public-info-viewer": [_HEALTH],
    "system:service-account-issuer-discovery": [_ISSUER],
    "system:node": _kubelet(),
    "system:auth-delegator": [
        _rule(["authentication.k8s.io"], ["tokenreviews"], ["create"]),
        _rule(["authorization.k8s.io"], ["subjectaccessreviews"], ["create"]),
    ],
    # On a real cluster a joining node asks for a certificate; here the token registers the node.
    "kubeadm:get-nodes": [_rule([""], ["nodes"], ["get", "create"])],
}

_CLUSTER_BINDINGS = (
    ("cluster-admin", "cluster-admin", ("system:masters",)),
    ("kubeadm:cluster-admins", "cluster-admin", (ADMINS,)),
    ("system:basic-user", "system:basic-user", ("system:authenticated",)),
    ("system:discovery", "system:discovery", ("system:authenticated",)),
    (
        "system:public-info-viewer",
        "system:public-info-viewer",
        ("system:authenticated", "system:unauthenticated"),
    ),
    (
        "system:service-account-issuer-discovery",
        "system:service-account-issuer-discovery",
        ("system:serviceaccounts",),
    ),
    ("system:node", "system:node", ("system:nodes",)),
    ("kubeadm:get-nodes", "kubeadm:get-nodes", (JOINERS,)),
)

_READABLE = (
    # (role, namespace, config map, groups)
    (
        "kubeadm:bootstrap-signer-clusterinfo",
        "kube-public",
        "cluster-info",
        ("system:unauthenticated", "system:authenticated"),
    ),
    ("kubeadm:nodes-kubeadm-config", "kube-system", "kubeadm-config", (JOINERS, "system:nodes")),
    ("kubeadm:kubelet-config", "kube-system", "kubelet-config", (JOINERS, "system:nodes")),
)


def _metadata(name: str, namespace: str = "") -> Body:
    metadata: Body = {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}
    return {**metadata, "namespace": namespace} if namespace else metadata


def _bound(name: str, role_kind: str, role: str, groups: Iterable[str], space: str = "") -> Body:
    return {
        "metadata": _metadata(name, space),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role},
        "subjects": [{"kind": "Group", "name": group} for group in groups],
    }


def cluster_roles() -> list[Body]:
    """Return the ClusterRoles."""
    return [{"metadata": _metadata(name), "rules": rules} for name, rules in _CLUSTER_ROLES.items()]


def bindings() -> list[Body]:
    """Return the ClusterRoleBindings."""
    return [_bound(name, "ClusterRole", role, groups) for name, role, groups in _CLUSTER_BINDINGS]


def roles() -> list[Body]:
    """The Roles: joining nodes may read three ConfigMaps, other API servers a fourth."""
    readable = [(name, space, config_map) for name, space, config_map, _ in _READABLE]
    return [
        {
            "metadata": _metadata(name, namespace),
            "rules": [{**_rule([""], ["configmaps"], verbs), "resourceNames": [config_map]}],
        }
        for name, namespace, config_map, verbs in (
            *((*one, ("get",)) for one in readable),
            (AUTHENTICATION_READER, "kube-system", AUTHENTICATION, _READ),
        )
    ]


def role_bindings() -> list[Body]:
    """Return the RoleBindings."""
    return [_bound(name, "Role", name, groups, space) for name, space, _, groups in _READABLE]
