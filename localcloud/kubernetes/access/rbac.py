"""Who may do what: role-based access control over the stored roles and bindings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.kubernetes.access.users import User
from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.store import Change, Store

Rule = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """One action to be allowed: on a resource, or on a path that is none.

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
    """A rule and where it holds: in one namespace, or with None everywhere."""

    namespace: str | None
    rule: Rule
    because: str


class Authorizer:
    """Decides by the roles in the store; what it read is kept until a role or binding changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._grants: dict[User, list[Grant]] = {}
        for kind in (
            kinds.ROLE, kinds.CLUSTER_ROLE, kinds.ROLE_BINDING, kinds.CLUSTER_ROLE_BINDING,
        ):  # fmt: skip
            store.listen(kind, self._forget)

    def reason(self, user: User, wish: Wish) -> str | None:
        """Say why the user may, or None when nothing allows it."""
        if "system:masters" in user.groups:
            return ""
        for grant in self.grants(user):
            if grant.namespace in (None, wish.namespace) and covers(grant.rule, wish):
                return grant.because
        return None

    def grants(self, user: User) -> list[Grant]:
        """Every rule that holds for a user."""
        if user not in self._grants:
            self._grants[user] = list(self._read(user))
        return self._grants[user]

    def _forget(self, change: Change) -> None:
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


def refusal(user: User, wish: Wish) -> ApiFailure:
    """The 403 for something that nothing allows."""
    who = f'User "{user.name}" cannot {wish.verb}'
    if wish.path:
        message = f'forbidden: {who} path "{wish.path}"'
        return ApiFailure(403, "Forbidden", message)
    plural = wish.resource.partition("/")[0]
    where = f'in the namespace "{wish.namespace}"' if wish.namespace else "at the cluster scope"
    about = f"{plural}.{wish.group}" if wish.group else plural
    about = f'{about} "{wish.name}"' if wish.name else about
    message = (
        f'{about} is forbidden: {who} resource "{wish.resource}" in API group "{wish.group}" '
        f"{where}"
    )
    details = {"name": wish.name, "group": wish.group, "kind": plural}
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


def covers(rule: Rule, wish: Wish) -> bool:
    """Whether one rule of a role allows a wish."""
    if not _has(rule.get("verbs"), wish.verb):
        return False
    if wish.path:
        return any(
            pattern in ("*", wish.path)
            or (pattern.endswith("*") and wish.path.startswith(pattern[:-1]))
            for pattern in rule.get("nonResourceURLs") or ()
        )
    if not _has(rule.get("apiGroups"), wish.group) or not _names(rule, wish.resource):
        return False
    names = rule.get("resourceNames")
    return not names or wish.name in names


def _has(allowed: list[str] | None, wanted: str) -> bool:
    return allowed is not None and ("*" in allowed or wanted in allowed)


def _names(rule: Rule, resource: str) -> bool:
    allowed = rule.get("resources") or ()
    _, _, subresource = resource.partition("/")
    return (
        "*" in allowed or resource in allowed or bool(subresource and f"*/{subresource}" in allowed)
    )
