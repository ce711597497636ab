"""Credentials of a cluster in memory, where a test needs no Prefect server."""

from collections.abc import Callable

from domain.secrets.credentials import Credentials


class MemoryVault:
    """Satisfies `domain.secrets.vault.Vault`."""

    place = "the test's vault"

    def __init__(self) -> None:
        self.kept: Credentials | None = None

    def find(self) -> Credentials | None:
        return self.kept

    def save(self, credentials: Credentials) -> None:
        self.kept = credentials

    def update(self, change: Callable[[Credentials | None], Credentials]) -> Credentials:
        self.kept = change(self.kept)
        return self.kept

    def delete(self) -> bool:
        existed, self.kept = self.kept is not None, None
        return existed
