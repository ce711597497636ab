"""The secrets of one cluster: made on our side, before its first resource."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from domain.secrets.pki import CertifiedKey, SshKeyPair, make_cluster_ca, make_ssh_keypair

MOST_LAUNCHES = 8
"""Launches whose machines may still be waiting for their first login."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a run needs to prove itself to a cluster's machines and API, and they to it.

    Attributes:
        first_host_keys: public throw-away keys that new machines may answer with, newest first.
        next_host_keys: keys that a machine has made and may or may not answer with yet, by id.
        host_keys: keys that are pinned, by instance id; nothing else is accepted from there on.
        ending: whether the cluster is being torn down; then nobody may use any of this.
    """

    ca: CertifiedKey
    ssh: SshKeyPair
    first_host_keys: tuple[str, ...] = ()
    next_host_keys: Mapping[str, str] = field(default_factory=dict)
    host_keys: Mapping[str, str] = field(default_factory=dict)
    ending: bool = False

    def accepted(self, instance_id: str) -> tuple[str, ...]:
        """The host keys with which this machine may answer, likeliest first."""
        if pinned := self.host_keys.get(instance_id):
            return (pinned,)
        made = self.next_host_keys.get(instance_id)
        return (*((made,) if made else ()), *self.first_host_keys)

    def with_first(self, public_key: str) -> "Credentials":
        kept = self.first_host_keys[: MOST_LAUNCHES - 1]
        return replace(self, first_host_keys=(public_key, *kept))

    def with_made(self, instance_id: str, public_key: str) -> "Credentials":
        return replace(self, next_host_keys={**self.next_host_keys, instance_id: public_key})

    def with_pinned(self, instance_id: str, public_key: str) -> "Credentials":
        rest = {key: value for key, value in self.next_host_keys.items() if key != instance_id}
        pinned = {**self.host_keys, instance_id: public_key}
        return replace(self, next_host_keys=rest, host_keys=pinned)

    def without(self, instance_id: str) -> "Credentials":
        """Forget a machine that is gone, so that its key is never accepted again."""
        made = {key: value for key, value in self.next_host_keys.items() if key != instance_id}
        pinned = {key: value for key, value in self.host_keys.items() if key != instance_id}
        return replace(self, next_host_keys=made, host_keys=pinned)


def make_credentials(cluster: str, now: datetime) -> Credentials:
    """Make everything secret that a new cluster needs."""
    return Credentials(ca=make_cluster_ca(now), ssh=make_ssh_keypair(f"k8s.{cluster}"))


def credentials_name(cluster: str, zone: str, user: str) -> str:
    """Name the block of a cluster: two users may each have a cluster of the same name.

    Args:
        user: the id of the cloud's user, who stays the same when the API key is replaced.
    """
    account = hashlib.sha256(f"{zone}|{user}".encode()).hexdigest()
    return f"{cluster}-{account[:8]}"
