"""How an installed machine becomes a node or a further master: with a join token."""

from domain.cloud.endpoints import Endpoints
from domain.secrets.pki import BootstrapToken, CertificateKey


def join_settings(token: BootstrapToken, ca_hash: str) -> dict[str, str]:
    return {"JOIN_TOKEN": token.value, "CA_HASH": ca_hash}


def further_master_settings(endpoints: Endpoints) -> dict[str, str]:
    """What differs from the first master: until it has joined, it reaches the others."""
    return {"API_ADDRESS": endpoints.balancer_ip}


def master_join_settings(
    endpoints: Endpoints, token: BootstrapToken, ca_hash: str, key: CertificateKey
) -> dict[str, str]:
    return {
        **further_master_settings(endpoints),
        **join_settings(token, ca_hash),
        "CERTIFICATE_KEY": key.value,
    }
