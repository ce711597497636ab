"""Join tokens as kubeadm stores them: Secrets in kube-system, which sign cluster-info."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

NAMESPACE = "kube-system"
PREFIX = "bootstrap-token-"
SECRET_TYPE = "bootstrap.kubernetes.io/token"  # noqa: S105 - the type's name
SIGNATURE = "jws-kubeconfig-"


@dataclass(frozen=True, slots=True)
class BootstrapToken:
    """A kubeadm token, `abcdef.0123456789abcdef`; without an expiry it stays valid."""

    token: str
    expires: datetime | None = None

    @property
    def id(self) -> str:
        return self.token.partition(".")[0]

    def holds(self, now: datetime) -> bool:
        return self.expires is None or now < self.expires.astimezone(UTC)


def token_secret(token: BootstrapToken) -> dict[str, Any]:
    """Return the Secret of a token."""
    key_id, _, secret = token.token.partition(".")
    data = {
        "token-id": key_id,
        "token-secret": secret,
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
        "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
    }
    if token.expires:
        data["expiration"] = token.expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "metadata": {"name": PREFIX + key_id, "namespace": NAMESPACE},
        "type": SECRET_TYPE,
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in data.items()},
    }


def read_token(secret: Mapping[str, Any], usage: str) -> BootstrapToken | None:
    """Read a token from its Secret; None where it is invalid, or not for this usage.

    Args:
        usage: `authentication` or `signing`.
    """
    if secret.get("type") != SECRET_TYPE:
        return None
    try:
        data = {
            name: base64.b64decode(value).decode()
            for name, value in (secret.get("data") or {}).items()
        }
        expiration = data.get("expiration", "")
        expires = datetime.fromisoformat(expiration) if expiration else None
    except (binascii.Error, ValueError):
        return None
    if data.get(f"usage-bootstrap-{usage}") != "true":
        return None
    return BootstrapToken(f"{data.get('token-id')}.{data.get('token-secret')}", expires)


def has_expired(secret: Mapping[str, Any], now: datetime) -> bool:
    """Return whether a Secret is a token, for whatever usage, that has ended."""
    encoded = (secret.get("data") or {}).get("expiration", "")
    if secret.get("type") != SECRET_TYPE or not encoded:
        return False
    try:
        return datetime.fromisoformat(base64.b64decode(encoded).decode()) <= now
    except (binascii.Error, ValueError):
        return False


def sign_detached(text: str, token: BootstrapToken) -> str:
    """Return a detached JSON web signature of the text."""
    key_id, _, secret = token.token.partition(".")
    head = _b64(json.dumps({"alg": "HS256", "kid": key_id}).encode())
    signed = f"{head}.{_b64(text.encode())}".encode()
    return f"{head}..{_b64(hmac.digest(secret.encode(), signed, hashlib.sha256))}"


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
