"""The cluster's SSH key pair in the cloud, which has only its public half."""

from domain.cloud.api import Cloud
from domain.cloud.inventory import at_most_one
from domain.cloud.records import KeyPair
from domain.kernel.ensured import Ensured
from domain.kernel.names import Names


def ensure_keypair(cloud: Cloud, cluster: str, public_key: str) -> Ensured[KeyPair]:
    """Upload the public half of the cluster's SSH key if it is missing."""
    name = Names(cluster).keypair
    found = at_most_one("key pair", name, cloud.known.find_keypairs(name))
    if found:
        return Ensured(found, f"kept {found.id}")
    keypair_id = cloud.create_keypair(name, public_key)
    body = public_key.split()[1]
    return Ensured(KeyPair(keypair_id, name, body, ()), f"created {keypair_id}")
