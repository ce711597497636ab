"""The cluster's SSH key pair in the cloud, which has only its public half."""

import time

from domain.cloud.api import Cloud
from domain.cloud.creating import create_once
from domain.cloud.inventory import id_of
from domain.cloud.records import KeyPair
from domain.cloud.surplus import choose
from domain.kernel.ensured import Ensured
from domain.kernel.errors import NameTaken
from domain.kernel.names import Names
from domain.kernel.waiting import Clock


def ensure_keypair(
    cloud: Cloud, cluster: str, public_key: str, clock: Clock = time
) -> Ensured[KeyPair]:
    """Upload the public half of the cluster's SSH key where it is missing.

    Raises:
        NameTaken: the key pair of that name is of another key, so that nobody could log in to
            machines that are started with it.
    """
    name, body = Names(cluster).keypair, public_key.split()[1]
    found = choose("key pair", cloud.known.find_keypairs(name))
    if found and body not in found.public_key:
        raise NameTaken(
            f"the key pair {name} ({found.id}) is not that of the saved credentials, so nobody "
            "could log in to new machines; delete it in the console if no machine uses it, or "
            "choose another cluster name"
        )
    if found:
        return Ensured(found, f"kept {found.id}")
    keypair_id = create_once(
        lambda: cloud.create_keypair(name, public_key),
        lambda: id_of(choose("key pair", cloud.find_keypairs(name))),
        what=f"key pair {name}",
        clock=clock,
    )
    return Ensured(KeyPair(keypair_id, name, body, ()), f"created {keypair_id}")
