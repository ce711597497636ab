"""How an installed machine becomes a node: with a join token."""

from domain.secrets.pki import BootstrapToken


def join_settings(token: BootstrapToken, ca_hash: str) -> dict[str, str]:
    return {"JOIN_TOKEN": token.value, "CA_HASH": ca_hash}
