"""The secrets of one cluster: generated on our side, before its first resource exists."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from domain.secrets.pki import CertifiedKey, SshKeyPair, make_cluster_ca, make_ssh_keypair

MOST_LAUNCHES = 8
"""Launches whose first host keys are kept: their machines may still wait for the first login."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The keys by which a run and a cluster's machines and API authenticate each other.

    Attributes:
        first_host_keys: public throw-away host keys that new machines may present, newest first.
        next_host_keys: by instance id, keys that a machine has generated and may not use yet.
        host_keys: by instance id, pinned keys; no other key of that machine is accepted.
        ending: whether the cluster is being torn down; then no run may add to it.
    """

    ca: CertifiedKey
    ssh: SshKeyPair
    first_host_keys: tuple[str, ...] = ()
    next_host_keys: Mapping[str, str] = field(default_factory=dict)
    host_keys: Mapping[str, str] = field(default_factory=dict)
    ending: bool = False

    @property
    def is_new(self) -> bool:
        """Whether no machine was started with these, and no teardown has begun."""
        return not (self.first_host_keys or self.next_host_keys or self.host_keys or self.ending)

    def accepted(self, instance_id: str) -> tuple[str, ...]:
        """The host keys that this machine may present, likeliest first."""
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

    def without(self, *instance_ids: str) -> "Credentials":
        """Remove the keys of deleted machines, so that they are never accepted again."""
        made = {key: value for key, value in self.next_host_keys.items() if key not in instance_ids}
        pinned = {key: value for key, value in self.host_keys.items() if key not in instance_ids}
        return replace(self, next_host_keys=made, host_keys=pinned)


def credentials_from(document: Mapping[str, Any]) -> Credentials:
    """Credentials from their fields, as `dataclasses.asdict` gives them.

    Raises:
        KeyError, TypeError: a field is missing, or there is one that this release does not know.
    """
    lists = {name: tuple(document[name]) for name in ("first_host_keys",)}
    keys = {"ca": CertifiedKey(**document["ca"]), "ssh": SshKeyPair(**document["ssh"])}
    return Credentials(**{**document, **keys, **lists})


def make_credentials(cluster: str, now: datetime) -> Credentials:
    """Generate all secrets that a new cluster needs."""
    return Credentials(ca=make_cluster_ca(now), ssh=make_ssh_keypair(f"k8s.{cluster}"))


def credentials_name(cluster: str, zone: str, user: str) -> str:
    """Name the block of a cluster: two users may each have a cluster of the same name.

    Args:
        user: the id of the cloud's user, which stays the same when the API key is replaced.
    """
    account = hashlib.sha256(f"{zone}|{user}".encode()).hexdigest()
    return f"{cluster}-{account[:8]}"
