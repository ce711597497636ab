"""Role-based access control over the stored roles and bindings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.kubernetes.access.users import User
from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.store import Change, Store

Rule = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Access:
    """One action to be authorized, on a resource or on a non-resource path.

    `resource` names a subresource too: `pods/log`.
    """

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """A rule and its namespace; None for all."""

    namespace: str | None
    rule: Rule
    because: str


class Authorizer:
    """Authorizes by the roles in the store, cached until a role or binding changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._grants: dict[User, list[Grant]] = {}
        for kind in (
            kinds.ROLE, kinds.CLUSTER_ROLE, kinds.ROLE_BINDING, kinds.CLUSTER_ROLE_BINDING,
        ):  # fmt: skip
            store.listen(kind, self.forget)

    def reason(self, user: User, access: Access) -> str | None:
        """Return the reason why the access is allowed, or None when it is not."""
        if "system:masters" in user.groups:
            return ""
        for grant in self.grants(user):
            if grant.namespace in (None, access.namespace) and covers(grant.rule, access):
                return grant.because
        return None

    def grants(self, user: User) -> list[Grant]:
        """Return every rule that applies to a user."""
        if user not in self._grants:
            self._grants[user] = list(self._read(user))
        return self._grants[user]

    def forget(self, change: Change | None = None) -> None:
        self._grants.clear()

    def _read(self, user: User) -> Iterator[Grant]:
        for kind in (kinds.CLUSTER_ROLE_BINDING, kinds.ROLE_BINDING):
            for stored in self._store.select(kind):
                body = stored.body
                namespace = body["metadata"].get("namespace")
                if any(_is(user, item, namespace) for item in body.get("subjects") or ()):
                    yield from self._rules(body, namespace)

    def _rules(self, binding: Mapping[str, Any], namespace: str | None) -> Iterator[Grant]:
        reference = binding["roleRef"]
        clusterwide = reference["kind"] == kinds.CLUSTER_ROLE.kind
        kind = kinds.CLUSTER_ROLE if clusterwide else kinds.ROLE
        role = self._store.find(kind, "" if clusterwide else namespace or "", reference["name"])
        because = (
            f'RBAC: allowed by {binding["kind"]} "{binding["metadata"]["name"]}" of '
            f'{reference["kind"]} "{reference["name"]}"'
        )
        for rule in (role.body.get("rules") or ()) if role else ():
            yield Grant(namespace, rule, because)


def refusal(user: User, access: Access) -> ApiFailure:
    """Return the 403 for an access that no rule allows."""
    who = f'User "{user.name}" cannot {access.verb}'
    if access.path:
        message = f'forbidden: {who} path "{access.path}"'
        return ApiFailure(403, "Forbidden", message)
    plural = access.resource.partition("/")[0]
    where = f'in the namespace "{access.namespace}"' if access.namespace else "at the cluster scope"
    about = f"{plural}.{access.group}" if access.group else plural
    about = f'{about} "{access.name}"' if access.name else about
    message = (
        f'{about} is forbidden: {who} resource "{access.resource}" in API group "{access.group}" '
        f"{where}"
    )
    details = {"name": access.name, "group": access.group, "kind": plural}
    return ApiFailure(403, "Forbidden", message, {k: v for k, v in details.items() if v})


def _is(user: User, subject: Mapping[str, Any], namespace: str | None) -> bool:
    name = subject.get("name", "")
    match subject.get("kind"):
        case "User":
            return bool(name == user.name)
        case "Group":
            return name in user.groups
        case "ServiceAccount":
            place = subject.get("namespace") or namespace
            return user.name == f"system:serviceaccount:{place}:{name}"
    return False


def covers(rule: Rule, access: Access) -> bool:
    """Return whether a rule of a role allows an access."""
    if not _has(rule.get("verbs"), access.verb):
        return False
    if access.path:
        return any(
            pattern in ("*", access.path)
            or (pattern.endswith("*") and access.path.startswith(pattern[:-1]))
            for pattern in rule.get("nonResourceURLs") or ()
        )
    if not _has(rule.get("apiGroups"), access.group) or not _names(rule, access.resource):
        return False
    names = rule.get("resourceNames")
    return not names or access.name in names


def _has(allowed: list[str] | None, wanted: str) -> bool:
    return allowed is not None and ("*" in allowed or wanted in allowed)


def _names(rule: Rule, resource: str) -> bool:
    allowed = rule.get("resources") or ()
    _, _, subresource = resource.partition("/")
    return (
        "*" in allowed or resource in allowed or bool(subresource and f"*/{subresource}" in allowed)
    )
