"""Join tokens, created through the API and deleted after their use."""

import time
from datetime import datetime

from domain.cluster.api import SYSTEM, ClusterApi, Manifest
from domain.kernel.ensured import Ensured
from domain.kernel.waiting import Clock, Pace, wait_for
from domain.secrets.pki import TOKEN_MARK, BootstrapToken

TOKEN_NAME = "bootstrap-token-"  # noqa: S105 - a prefix of names, by which kubeadm finds tokens

JOIN_TOKEN_TYPE = "bootstrap.kubernetes.io/token"  # noqa: S105 - the type of their Secrets

SIGNATURE = "jws-kubeconfig-"


def publish_token(
    api: ClusterApi, token: BootstrapToken, expires: datetime, clock: Clock = time
) -> Ensured[None]:
    """Create a join token, and wait until the cluster's public information is signed with it.

    A controller signs `cluster-info` a moment later. kubeadm on a node that reads it too early
    retries only after five seconds.

    Args:
        expires: in UTC.
    """
    api.apply(_token_manifest(token, expires))

    def signed() -> bool | None:
        info = api.read("ConfigMap", "cluster-info", "kube-public") or {}
        return True if SIGNATURE + token.id in info.get("data", {}) else None

    what = f"signature of join token {token.id} in kube-public/cluster-info"
    wait_for(signed, what=what, pace=Pace(timeout=120, interval=0.1, longest=2.0), clock=clock)
    return Ensured(None, f"{token.id} accepted until {expires:%Y-%m-%d %H:%M} UTC")


def _token_manifest(token: BootstrapToken, expires: datetime) -> Manifest:
    """The Secret of a join token, as kubeadm writes it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": JOIN_TOKEN_TYPE,
        "metadata": {"name": TOKEN_NAME + token.id, "namespace": SYSTEM},
        "stringData": {
            "token-id": token.id,
            "token-secret": token.value.partition(".")[2],
            "expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "usage-bootstrap-authentication": "true",
            "usage-bootstrap-signing": "true",
            "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
        },
    }


def delete_token(api: ClusterApi, token: BootstrapToken) -> None:
    """Delete a join token after its use, so that a leaked one is worthless."""
    api.delete("Secret", TOKEN_NAME + token.id, SYSTEM)


def own_tokens(api: ClusterApi) -> list[str]:
    """The ids of the join tokens that our runs have made."""
    return [token for token in api.list_join_tokens() if token.startswith(TOKEN_MARK)]


def delete_old_tokens(api: ClusterApi) -> Ensured[None]:
    """Delete the join tokens of earlier runs that were killed; those of users stay."""
    old = own_tokens(api)
    for token in old:
        api.delete("Secret", TOKEN_NAME + token, SYSTEM)
    return Ensured(None, f"deleted {' '.join(old)}" if old else "there are none")
