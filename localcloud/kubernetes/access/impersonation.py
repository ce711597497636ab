"""Impersonation, as `kubectl --as` requests it."""

from collections.abc import Iterable

from localcloud.kubernetes.access.rbac import Access, Authorizer, refusal
from localcloud.kubernetes.access.users import ANONYMOUS, User
from localcloud.kubernetes.objects.failures import bad_request

_NAME, _GROUP = b"impersonate-user", b"impersonate-group"
_ACCOUNT = "system:serviceaccount:"


def acting_user(user: User, headers: Iterable[tuple[bytes, bytes]], authorizer: Authorizer) -> User:
    """Return the impersonated user of a request's headers, or its sender.

    Headers for a uid or extra fields are ignored: users have neither here.

    Raises:
        ApiFailure: 403 where the sender may not act as that user, or as a member of that group.
    """
    given = [(name, value.decode()) for name, value in headers if name in (_NAME, _GROUP)]
    if not given:
        return user
    name = next((value for key, value in given if key == _NAME), "")
    groups = tuple(value for key, value in given if key == _GROUP)
    if not name:
        raise bad_request(f"requested {list(groups)} without impersonating a user")
    as_groups = (Access("impersonate", "", "groups", "", group) for group in groups)
    for access in (_of_user(name), *as_groups):
        if authorizer.reason(user, access) is None:
            raise refusal(user, access)
    return User(name, _with_own_groups(name, groups))


def _of_user(name: str) -> Access:
    if name.startswith(_ACCOUNT):
        namespace, _, account = name.removeprefix(_ACCOUNT).partition(":")
        return Access("impersonate", "", "serviceaccounts", namespace, account)
    return Access("impersonate", "", "users", "", name)


def _with_own_groups(name: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    """Add the groups that are implied."""
    if name == ANONYMOUS.name:
        own = ANONYMOUS.groups
    elif name.startswith(_ACCOUNT) and not groups:
        namespace = name.removeprefix(_ACCOUNT).partition(":")[0]
        all_accounts = "system:serviceaccounts"
        own = (all_accounts, f"{all_accounts}:{namespace}", "system:authenticated")
    else:
        own = ("system:authenticated",)
    return (*groups, *(group for group in own if group not in groups))
