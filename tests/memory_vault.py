"""What is kept from run to run, in memory, where a test needs no Prefect server and no folder."""

from collections.abc import Callable, Mapping

from domain.kernel.waiting import Clock
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


class MemoryJournal:
    """Satisfies `domain.cloud.journal.Journal`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sent: dict[str, float] = {}

    def ages(self) -> Mapping[str, float]:
        return {what: self._clock.monotonic() - at for what, at in self._sent.copy().items()}

    def begin(self, what: str) -> None:
        self._sent[what] = self._clock.monotonic()

    def end(self, what: str) -> None:
        self._sent.pop(what, None)
