"""Bearer tokens: signed ones of ServiceAccounts, and the temporary ones that join nodes."""

import base64
import json
import secrets
from datetime import timedelta
from hmac import compare_digest
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from localcloud.clock import Clock, stamp
from localcloud.kubernetes.access import join_tokens
from localcloud.kubernetes.access.users import User
from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.store import Store

ISSUER = "https://kubernetes.default.svc.cluster.local"
JOIN_GROUPS = ("system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token")


def make_signing_key() -> bytes:
    """Return a new signing key for the tokens of one cluster."""
    return Ed25519PrivateKey.generate().private_bytes_raw()


class Tokens:
    """Issues and verifies the bearer tokens of one cluster."""

    def __init__(self, store: Store, clock: Clock, signing_key: bytes) -> None:
        self._store = store
        self._clock = clock
        self._key = Ed25519PrivateKey.from_private_bytes(signing_key)

    def sign(self, namespace: str, account: str, uid: str, seconds: int) -> tuple[str, str]:
        """Return a new token for a ServiceAccount, and its expiry."""
        now = self._clock.now()
        ends = now + timedelta(seconds=seconds)
        claims = {
            "aud": [ISSUER],
            "exp": int(ends.timestamp()),
            "iat": int(now.timestamp()),
            "iss": ISSUER,
            "jti": secrets.token_hex(16),
            "kubernetes.io": {
                "namespace": namespace,
                "serviceaccount": {"name": account, "uid": uid},
            },
            "nbf": int(now.timestamp()),
            "sub": f"system:serviceaccount:{namespace}:{account}",
        }
        head = _pack({"alg": "EdDSA", "typ": "JWT"})
        signed = f"{head}.{_pack(claims)}"
        return f"{signed}.{_text(self._key.sign(signed.encode()))}", stamp(ends)

    def find_user(self, token: str) -> User | None:
        """Return the user of a token; None for an invalid, expired or deleted one."""
        return self._service_account(token) if token.count(".") == 2 else self._joiner(token)

    def _joiner(self, token: str) -> User | None:
        name = join_tokens.PREFIX + token.partition(".")[0]
        stored = self._store.find(kinds.SECRET, join_tokens.NAMESPACE, name)
        known = join_tokens.read_token(stored.body, "authentication") if stored else None
        if known is None or not compare_digest(known.token.encode(), token.encode()):
            return None
        if not known.holds(self._clock.now()):
            return None
        return User(f"system:bootstrap:{known.id}", (*JOIN_GROUPS, "system:authenticated"))

    def _service_account(self, token: str) -> User | None:
        signed, _, signature = token.rpartition(".")
        try:
            self._key.public_key().verify(_bytes(signature), signed.encode())
            claims: dict[str, Any] = json.loads(_bytes(signed.partition(".")[2]))
        except (InvalidSignature, ValueError):
            return None
        if claims["exp"] <= self._clock.now().timestamp():
            return None
        about = claims["kubernetes.io"]
        namespace, account = about["namespace"], about["serviceaccount"]
        stored = self._store.find(kinds.SERVICE_ACCOUNT, namespace, account["name"])
        if stored is None or stored.body["metadata"]["uid"] != account["uid"]:
            return None
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
        return User(claims["sub"], (*groups, "system:authenticated"))


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _pack(content: dict[str, Any]) -> str:
    return _text(json.dumps(content, separators=(",", ":")).encode())
