"""Rules of RBAC, tokens, protobuf bodies: pure parts with few neighbours."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from localcloud.kubernetes.age import age
from localcloud.kubernetes.failures import ApiFailure
from localcloud.kubernetes.join_tokens import BootstrapToken, token_secret
from localcloud.kubernetes.kinds import SECRET, SERVICE_ACCOUNT
from localcloud.kubernetes.protobuf import decode
from localcloud.kubernetes.rbac import Wish, covers
from localcloud.kubernetes.store import Store
from localcloud.kubernetes.tokens import Tokens, make_signing_key

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class MovedClock:
    """A clock that stands where a test puts it."""

    def __init__(self, moment=NOW):
        self.moment = moment

    def now(self):
        return self.moment

    async def sleep(self, seconds, /):
        self.moment += timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("rule", "wish", "allowed"),
    [
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]},
            Wish("get", "", "pods"),
            True,
        ),
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]},
            Wish("get", "", "pods/log"),
            False,
        ),
        (
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
            Wish("get", "x", "pods/log"),
            True,
        ),
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["*/scale"]},
            Wish("get", "", "a/scale"),
            True,
        ),
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["x"], "resourceNames": ["a"]},
            Wish("get", "", "x", name="b"),
            False,
        ),
        (
            {"verbs": ["get"], "nonResourceURLs": ["/healthz/*"]},
            Wish("get", path="/healthz/x"),
            True,
        ),
        (
            {"verbs": ["get"], "nonResourceURLs": ["/healthz"]},
            Wish("get", path="/healthz/x"),
            False,
        ),
        ({"verbs": ["get"], "nonResourceURLs": ["*"]}, Wish("get", "", "pods"), False),
    ],
    ids=["resource", "subresource", "stars", "star-sub", "name", "path", "longer path", "neither"],
)
def test_rules_cover_what_they_say(rule, wish, allowed):
    assert covers(rule, wish) is allowed


def make_tokens(clock, *bootstrap):
    store = Store()
    metadata = {"name": "robot", "namespace": "default", "uid": "u"}
    account = store.put(SERVICE_ACCOUNT, {"metadata": metadata})
    for token in bootstrap:
        store.put(SECRET, token_secret(token))
    return Tokens(store, clock, make_signing_key()), store, account


def test_a_signed_token_names_its_account_until_it_ends():
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


def test_a_token_dies_with_its_account():
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


def field(number, content):
    """One length-delimited protobuf field."""
    return bytes([number << 3 | 2, len(content)]) + content


def envelope(api_version, kind, raw):
    type_meta = field(1, api_version) + field(2, kind)
    return b"k8s\x00" + field(1, type_meta) + field(2, raw)


def test_protobuf_bodies_become_the_json_that_they_stand_for():
    entry = field(1, b"a") + field(2, b"\x00\xff")
    raw = field(1, field(1, b"keys") + field(2, b"") + field(8, b"")) + field(2, entry)
    raw += field(3, b"Opaque") + bytes([5 << 3, 0])  # immutable, a pointer: false counts
    assert decode(envelope(b"v1", b"Secret", raw)) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "keys"},
        "data": {"a": base64.b64encode(b"\x00\xff").decode()},
        "type": "Opaque",
        "immutable": False,
    }


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{}", 400),
        (b"k8s\x00\x0a\x7f", 400),
        (envelope(b"v1", b"ConfigMap", b"\x0a\x05ab"), 400),
        (envelope(b"batch/v1", b"Job", b""), 415),
    ],
    ids=["json", "cut", "cut inside", "unknown kind"],
)
def test_unreadable_protobuf_is_refused(content, status):
    with pytest.raises(ApiFailure) as caught:
        decode(content)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (119, "119s"), (120, "2m"), (330, "5m30s"), (3600, "60m"), (10800, "3h"),
        (12600, "3h30m"), (86400, "24h"), (180000, "2d2h"), (864000, "10d"), (86400 * 800, "2y70d"),
    ],
)  # fmt: skip
def test_ages_read_as_kubectl_writes_them(seconds, text):
    since = (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert age(since, NOW) == text
