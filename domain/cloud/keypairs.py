"""The cluster's SSH key pair, as the cloud keeps it: its public half."""

from domain.cloud.api import Cloud
from domain.cloud.inventory import the_one
from domain.cloud.records import KeyPair
from domain.kernel.ensured import Ensured
from domain.kernel.names import Names


def ensure_keypair(cloud: Cloud, cluster: str, public_key: str) -> Ensured[KeyPair]:
    """Upload the public half of the cluster's SSH key where it is missing."""
    name = Names(cluster).keypair
    found = the_one("key pair", name, cloud.find_keypairs(name))
    if found:
        return Ensured(found, f"kept {found.id}")
    keypair_id = cloud.create_keypair(name, public_key)
    body = public_key.split()[1]
    return Ensured(KeyPair(keypair_id, name, body, ()), f"created {keypair_id}")
