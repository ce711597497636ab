"""A drill: what a cluster that was restored from a backup has, against what the backup says."""

from collections.abc import Collection
from dataclasses import dataclass

from domain.kernel.errors import FinalError
from domain.kernel.texts import first_of

OF_THE_MACHINES = ("ConfigMap kube-system/", "ConfigMap kube-public/", "Secret kube-system/")
"""Names of objects that describe machines, addresses and tokens: those of the new cluster stay."""


@dataclass(frozen=True, slots=True)
class DrillReport:
    """The result of a drill.

    Attributes:
        backup: the name of the backup.
        objects: how many the backup names.
        missing: those that the restored cluster does not have.
        seconds: from the first step to the comparison: how long a real restore takes here.
    """

    backup: str
    objects: int
    missing: tuple[str, ...]
    seconds: float

    @property
    def sentence(self) -> str:
        if not self.missing:
            return f"backup {self.backup} restores all of its {self.objects} objects"
        return (
            f"backup {self.backup} restores {self.objects - len(self.missing)} of its "
            f"{self.objects} objects; missing: {first_of(self.missing)}"
        )


class DrillFailed(FinalError):
    """A backup does not restore what it names.

    Attributes:
        report: what is missing.
    """

    def __init__(self, report: DrillReport) -> None:
        super().__init__(report.sentence)
        self.report = report


def compare(named: Collection[str], found: Collection[str]) -> tuple[str, ...]:
    """The named objects that are missing, without those that describe machines."""
    present = set(found)
    return tuple(
        name for name in named if name not in present and not name.startswith(OF_THE_MACHINES)
    )
