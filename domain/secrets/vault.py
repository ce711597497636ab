"""The store of a cluster's credentials between runs."""

from collections.abc import Callable
from typing import Protocol

from domain.kernel.errors import BeingTornDown, CredentialsMissing
from domain.secrets.credentials import Credentials


class Vault(Protocol):
    """The credentials of one cluster.

    Attributes:
        place: its name in messages, such as `block cluster-credentials/demo-1a2b3c4d`.
    """

    @property
    def place(self) -> str: ...

    def find(self) -> Credentials | None:
        """Read the credentials. Returns: None where none are saved."""
        ...

    def save(self, credentials: Credentials) -> None:
        """Save these in place of any others."""
        ...

    def update(self, change: Callable[[Credentials | None], Credentials]) -> Credentials:
        """Change the saved credentials, one change at a time. Returns: the result."""
        ...

    def delete(self) -> bool:
        """Delete the credentials. Returns: whether there were any."""
        ...


def check_usable(vault: Vault, cluster: str, found: Credentials | None) -> Credentials:
    """Refuse credentials that are missing, or those of a cluster that is being torn down.

    Raises:
        CredentialsMissing: the message names the remedies.
        BeingTornDown: a teardown has begun, so a run that adds something must end here.
    """
    if found is None:
        raise CredentialsMissing(describe_missing(vault, cluster))
    if found.ending:
        raise BeingTornDown(
            f"cluster {cluster} is being torn down; finish that with: python -m flows.teardown "
            f"--name {cluster}, or keep it with: python -m flows.provision --name {cluster}"
        )
    return found


def describe_missing(vault: Vault, cluster: str) -> str:
    """Describe that a cluster's credentials are not on this server, and the remedies."""
    return (
        f"cluster {cluster} has no saved credentials on this Prefect server ({vault.place}); use "
        "the server that created it (PREFECT_API_URL), or tear the cluster down, which needs none"
    )
