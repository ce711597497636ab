"""Where a cluster's credentials are kept between runs."""

from collections.abc import Callable
from typing import Protocol

from domain.kernel.errors import BeingTornDown, CredentialsMissing
from domain.secrets.credentials import Credentials


class Vault(Protocol):
    """The credentials of one cluster.

    Attributes:
        place: where that is, for sentences, such as `block cluster-credentials/demo-1a2b3c4d`.
    """

    @property
    def place(self) -> str: ...

    def find(self) -> Credentials | None:
        """Read the credentials; None where none are kept."""
        ...

    def save(self, credentials: Credentials) -> None:
        """Keep these instead of any others."""
        ...

    def update(self, change: Callable[[Credentials | None], Credentials]) -> Credentials:
        """Change what is kept, one change at a time, and return the result."""
        ...

    def delete(self) -> bool:
        """Delete the credentials. Returns: whether there were any."""
        ...


def check_usable(vault: Vault, cluster: str, found: Credentials | None) -> Credentials:
    """Refuse credentials that are missing, or those of a cluster that is being torn down.

    Raises:
        CredentialsMissing: the sentence says what can be done.
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
    """Say that a cluster's credentials are not here, and what can be done."""
    return (
        f"cluster {cluster} has no saved credentials on this Prefect server ({vault.place}); use "
        "the server that made it (PREFECT_API_URL), or tear the cluster down, which works without "
        "them"
    )
