"""API discovery: aggregated documents, and the older lists.

kubectl up to 1.29 requests and understands the aggregated form `v2beta1` only, so the form must be
the requested one.
"""

import hashlib
from base64 import b64encode
from functools import lru_cache
from typing import Any

from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.kinds import Kind, Subresource
from localcloud.kubernetes.objects.store import encode

Body = dict[str, Any]

_OWN_GROUP = {"group": "", "version": ""}
"""Placeholder for the group and version of the resource itself."""

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"


@lru_cache(maxsize=8)
def _by_version(served: frozenset[str] = frozenset()) -> dict[tuple[str, str], list[Kind]]:
    groups = kinds.group_versions()
    groups[(kinds.NEW_EVENT.group, kinds.NEW_EVENT.version)] = [kinds.NEW_EVENT]
    for name in sorted(served & kinds.EXTENSIONS.keys()):
        found = kinds.EXTENSIONS[name]
        groups[(found[0].group, found[0].version)] = list(found)
    return groups


def aggregated_version(accept: str) -> str:
    """Return the first aggregated form in an Accept header: v2, v2beta1, or none."""
    for part in accept.split(","):
        words = {word.strip() for word in part.split(";")}
        if "as=APIGroupDiscoveryList" in words:
            for version in ("v2", "v2beta1"):
                if f"v={version}" in words:
                    return version
    return ""


@lru_cache(maxsize=8)
def aggregated(root: str, version: str, served: frozenset[str] = frozenset()) -> tuple[bytes, str]:
    """Return the document for `/api` or `/apis`: its bytes and its content type.

    Args:
        served: the names of the APIs that other servers answer.
    """
    items = [
        _group(group, api_version, members)
        for (group, api_version), members in _by_version(served).items()
        if bool(group) == (root == "/apis")
    ]
    body = {
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "items": items,
        "kind": "APIGroupDiscoveryList",
        "metadata": {},
    }
    return encode(body), _AGGREGATED.format(version)


def find(path: str, address: str, served: frozenset[str] = frozenset()) -> Body | None:
    """Return the unaggregated document of a path, or None."""
    parts = path.strip("/").split("/")
    match parts:
        case ["api"]:
            servers = [{"clientCIDR": "0.0.0.0/0", "serverAddress": f"{address}:6443"}]
            return {
                "kind": "APIVersions",
                "serverAddressByClientCIDRs": servers,
                "versions": ["v1"],
            }
        case ["apis"]:
            groups = [_api_group(*key) for key in _by_version(served) if key[0]]
            return {"apiVersion": "v1", "groups": groups, "kind": "APIGroupList"}
        case ["api", version]:
            return _resource_list("", version)
        case ["apis", group]:
            known = [key for key in _by_version(served) if key[0] == group]
            return (
                {"apiVersion": "v1", "kind": "APIGroup", **_api_group(*known[0])} if known else None
            )
        case ["apis", group, version]:
            return _resource_list(group, version, served)
    return None


def _group(group: str, version: str, members: list[Kind]) -> Body:
    entry = {
        "freshness": "Current",
        "resources": [_discovered(kind) for kind in members],
        "version": version,
    }
    return {"metadata": {"name": group} if group else {}, "versions": [entry]}


def _discovered(kind: Kind) -> Body:
    body: Body = {
        "resource": kind.plural,
        "responseKind": _OWN_GROUP | {"kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short:
        body["shortNames"] = list(kind.short)
    if kind.categories:
        body["categories"] = list(kind.categories)
    if kind.subresources:
        body["subresources"] = [
            {
                "responseKind": _response_kind(kind, sub),
                "subresource": sub.name,
                "verbs": list(sub.verbs),
            }
            for sub in kind.subresources
        ]
    return body


def _response_kind(kind: Kind, sub: Subresource) -> Body:
    if (sub.group or kind.group) == kind.group:
        return _OWN_GROUP | {"kind": sub.kind or kind.kind}
    return {"group": sub.group, "version": sub.version, "kind": sub.kind}


def _api_group(group: str, version: str) -> Body:
    served = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "preferredVersion": served, "versions": [served]}


def _resource_list(group: str, version: str, served: frozenset[str] = frozenset()) -> Body | None:
    members = _by_version(served).get((group, version))
    if members is None:
        return None
    resources: list[Body] = []
    for kind in members:
        entry: Body = {
            "kind": kind.kind,
            "name": kind.plural,
            "namespaced": kind.namespaced,
            "singularName": kind.singular,
            "verbs": list(kind.verbs),
        }
        if kind in kinds.KINDS:
            entry["storageVersionHash"] = _storage_hash(kind)
        if kind.short:
            entry["shortNames"] = list(kind.short)
        if kind.categories:
            entry["categories"] = list(kind.categories)
        resources.append(entry)
        resources += [_sub_entry(kind, sub) for sub in kind.subresources]
    # As upstream, only the lists of named groups contain their version.
    head = {"apiVersion": "v1"} if group else {}
    return head | {
        "groupVersion": f"{group}/{version}" if group else version,
        "kind": "APIResourceList",
        "resources": resources,
    }


def _storage_hash(kind: Kind) -> str:
    """Return a hash by which clients detect a change of a kind's stored form."""
    digest = hashlib.sha256(f"{kind.group}/{kind.version}/{kind.kind}".encode()).digest()
    return b64encode(digest[:8]).decode()


def _sub_entry(kind: Kind, sub: Subresource) -> Body:
    entry: Body = {
        "kind": sub.kind or kind.kind,
        "name": f"{kind.plural}/{sub.name}",
        "namespaced": kind.namespaced,
        "singularName": "",
        "verbs": list(sub.verbs),
    }
    if sub.group:  # kubectl drain looks here for the group of evictions
        entry |= {"group": sub.group, "version": sub.version}
    return entry
