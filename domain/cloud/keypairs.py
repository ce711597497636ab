"""The cluster's SSH key pair in the cloud, which has only its public half."""

import time

from domain.cloud.api import Cloud
from domain.cloud.creating import create_once
from domain.cloud.inventory import id_of
from domain.cloud.records import KeyPair
from domain.cloud.surplus import choose
from domain.kernel.ensured import Ensured
from domain.kernel.names import Names
from domain.kernel.waiting import Clock


def ensure_keypair(
    cloud: Cloud, cluster: str, public_key: str, clock: Clock = time
) -> Ensured[KeyPair]:
    """Upload the public half of the cluster's SSH key where it is missing."""
    name = Names(cluster).keypair
    found = choose("key pair", cloud.known.find_keypairs(name))
    if found:
        return Ensured(found, f"kept {found.id}")
    keypair_id = create_once(
        lambda: cloud.create_keypair(name, public_key),
        lambda: id_of(choose("key pair", cloud.find_keypairs(name))),
        what=f"key pair {name}",
        clock=clock,
    )
    body = public_key.split()[1]
    return Ensured(KeyPair(keypair_id, name, body, ()), f"created {keypair_id}")
