"""Rules of RBAC, and bearer tokens."""

from datetime import UTC, datetime, timedelta

import pytest

from localcloud.kubernetes.access.join_tokens import BootstrapToken, token_secret
from localcloud.kubernetes.access.rbac import Access, covers, refusal
from localcloud.kubernetes.access.tokens import Tokens, make_signing_key
from localcloud.kubernetes.access.users import User
from localcloud.kubernetes.objects.kinds import SECRET, SERVICE_ACCOUNT
from localcloud.kubernetes.objects.store import Store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class MovedClock:
    """A clock that a test sets."""

    def __init__(self, moment=NOW):
        self.moment = moment

    def now(self):
        return self.moment

    async def sleep(self, seconds, /):
        self.moment += timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("rule", "access", "allowed"),
    [
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]},
            Access("get", "", "pods"),
            True,
        ),
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]},
            Access("get", "", "pods/log"),
            False,
        ),
        (
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
            Access("get", "x", "pods/log"),
            True,
        ),
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["*/scale"]},
            Access("get", "", "a/scale"),
            True,
        ),
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["x"], "resourceNames": ["a"]},
            Access("get", "", "x", name="b"),
            False,
        ),
        (
            {"verbs": ["get"], "nonResourceURLs": ["/healthz/*"]},
            Access("get", path="/healthz/x"),
            True,
        ),
        (
            {"verbs": ["get"], "nonResourceURLs": ["/healthz"]},
            Access("get", path="/healthz/x"),
            False,
        ),
        ({"verbs": ["get"], "nonResourceURLs": ["*"]}, Access("get", "", "pods"), False),
    ],
    ids=["resource", "subresource", "stars", "star-sub", "name", "path", "longer path", "neither"],
)
def test_rules_allow_exactly_their_accesses(rule, access, allowed):
    assert covers(rule, access) is allowed


def make_tokens(clock, *bootstrap):
    store = Store()
    metadata = {"name": "robot", "namespace": "default", "uid": "u"}
    account = store.put(SERVICE_ACCOUNT, {"metadata": metadata})
    for token in bootstrap:
        store.put(SECRET, token_secret(token))
    return Tokens(store, clock, make_signing_key()), store, account


def test_a_signed_token_is_its_account_until_it_expires():
    clock = MovedClock()
    tokens, _, _ = make_tokens(clock)
    token, ends = tokens.sign("default", "robot", "u", 600)
    assert ends == "2026-11-23T12:10:00Z"
    user = tokens.find_user(token)
    assert user is not None
    assert user.name == "system:serviceaccount:default:robot"
    assert "system:serviceaccounts:default" in user.groups
    head, body, signature = token.split(".")
    assert tokens.find_user(f"{head}.{body}x.{signature}") is None
    assert make_tokens(clock)[0].find_user(token) is None
    clock.moment += timedelta(seconds=600)
    assert tokens.find_user(token) is None


def test_a_token_ends_with_its_account():
    tokens, store, account = make_tokens(MovedClock())
    token, _ = tokens.sign("default", "robot", "u", 600)
    store.remove(SERVICE_ACCOUNT, account)
    assert tokens.find_user(token) is None


def test_a_join_token_is_good_until_it_expires():
    clock = MovedClock()
    joining = BootstrapToken("abcdef.0123456789abcdef", NOW + timedelta(hours=2))
    tokens, _, _ = make_tokens(clock, joining)
    user = tokens.find_user(joining.token)
    assert user is not None
    assert user.name == "system:bootstrap:abcdef"
    assert tokens.find_user("abcdef.0000000000000000") is None
    clock.moment += timedelta(hours=2)
    assert tokens.find_user(joining.token) is None


@pytest.mark.parametrize(
    ("access", "place"),
    [
        (Access("get", "", "namespaces", "d", "d"), 'in the namespace "d"'),
        (Access("list", "", "namespaces"), "at the cluster scope"),
        (Access("get", "", "nodes", name="x"), "at the cluster scope"),
    ],
)
def test_a_refusal_names_the_place(access, place):
    assert refusal(User("jane"), access).message.endswith(place)
