"""Review APIs: access, own identity, and tokens."""

from typing import Any

from localcloud.kubernetes.access.rbac import Access, Authorizer
from localcloud.kubernetes.access.tokens import Tokens
from localcloud.kubernetes.access.users import User
from localcloud.kubernetes.api.calls import Call, Document, document
from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.failures import bad_request
from localcloud.kubernetes.objects.kinds import Kind


def answer(kind: Kind, call: Call, authorizer: Authorizer, tokens: Tokens) -> Document:
    """Answer one posted review."""
    body: dict[str, Any] = dict(call.body or {})
    spec = body.get("spec") or {}
    if kind is kinds.SELF_SUBJECT_REVIEW:
        status: dict[str, Any] = {"userInfo": _info(call.user)}
    elif kind is kinds.TOKEN_REVIEW:
        status = _token_status(tokens.find_user(spec.get("token", "")))
    elif kind is kinds.SELF_RULES_REVIEW:
        status = _rules_status(call.user, spec.get("namespace", ""), authorizer)
    else:
        user = call.user
        if kind is kinds.ACCESS_REVIEW:
            user = User(spec.get("user", ""), tuple(spec.get("groups") or ()))
        status = _access_status(user, spec, authorizer)
    metadata = {k: v for k, v in (body.get("metadata") or {}).items() if v is not None}
    reply = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
    if spec:
        reply["spec"] = spec
    return document({**reply, "status": status}, 201)


def _info(user: User) -> dict[str, Any]:
    info: dict[str, Any] = {"username": user.name, "groups": list(user.groups)}
    if user.credential:
        info["extra"] = {"authentication.kubernetes.io/credential-id": [user.credential]}
    return info


def _token_status(user: User | None) -> dict[str, Any]:
    if user is None:
        return {"authenticated": False, "error": "invalid bearer token", "user": {}}
    return {"authenticated": True, "user": _info(user)}


def _access_status(user: User, spec: dict[str, Any], authorizer: Authorizer) -> dict[str, Any]:
    reason = authorizer.reason(user, _access(spec))
    if reason is None:
        return {"allowed": False}
    return {"allowed": True, "reason": reason} if reason else {"allowed": True}


def _access(spec: dict[str, Any]) -> Access:
    path = spec.get("nonResourceAttributes")
    if path:
        return Access(path.get("verb", ""), path=path.get("path", ""))
    about = spec.get("resourceAttributes")
    if not about:
        raise bad_request("exactly one of nonResourceAttributes or resourceAttributes is required")
    resource = about.get("resource", "")
    if about.get("subresource"):
        resource += f"/{about['subresource']}"
    return Access(
        about.get("verb", ""),
        about.get("group", ""),
        resource,
        about.get("namespace", ""),
        about.get("name", ""),
    )


def _rules_status(user: User, namespace: str, authorizer: Authorizer) -> dict[str, Any]:
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    everywhere = {"verbs": ["*"], "nonResourceURLs": ["*"]}
    rules = [
        dict(grant.rule)
        for grant in authorizer.grants(user)
        if grant.namespace in (None, namespace)
    ]
    if "system:masters" in user.groups:
        rules = [everything, everywhere]
    return {
        "incomplete": False,
        "nonResourceRules": [rule for rule in rules if rule.get("nonResourceURLs")],
        "resourceRules": [rule for rule in rules if rule.get("resources")],
    }
