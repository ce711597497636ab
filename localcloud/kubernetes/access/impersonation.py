"""Acting as somebody else, as `kubectl --as` asks for."""

from collections.abc import Iterable

from localcloud.kubernetes.access.rbac import Authorizer, Wish, refusal
from localcloud.kubernetes.access.users import ANONYMOUS, User
from localcloud.kubernetes.objects.failures import bad_request

_NAME, _GROUP = b"impersonate-user", b"impersonate-group"
_ACCOUNT = "system:serviceaccount:"


def acting_user(user: User, headers: Iterable[tuple[bytes, bytes]], authorizer: Authorizer) -> User:
    """Return whom a request is judged as: whom its headers name, else its sender.

    Headers that name a uid or extra facts are left aside: users have neither here.

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
    for wish in (_wish_for_user(name), *(Wish("impersonate", "", "groups", "", g) for g in groups)):
        if authorizer.reason(user, wish) is None:
            raise refusal(user, wish)
    return User(name, _with_own_groups(name, groups))


def _wish_for_user(name: str) -> Wish:
    if name.startswith(_ACCOUNT):
        namespace, _, account = name.removeprefix(_ACCOUNT).partition(":")
        return Wish("impersonate", "", "serviceaccounts", namespace, account)
    return Wish("impersonate", "", "users", "", name)


def _with_own_groups(name: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    """Add the groups that nobody has to ask for."""
    if name == ANONYMOUS.name:
        own = ANONYMOUS.groups
    elif name.startswith(_ACCOUNT) and not groups:
        namespace = name.removeprefix(_ACCOUNT).partition(":")[0]
        all_accounts = "system:serviceaccounts"
        own = (all_accounts, f"{all_accounts}:{namespace}", "system:authenticated")
    else:
        own = ("system:authenticated",)
    return (*groups, *(group for group in own if group not in groups))
