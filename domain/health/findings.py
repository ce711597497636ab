"""What a check finds, and the report of all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.kernel.errors import FinalError


class Subject(StrEnum):
    """The subjects, in the order in which an operator looks at them."""

    NODES = "nodes"
    CONTROL_PLANE = "control plane"
    ETCD = "etcd"
    DNS = "DNS"
    NETWORK = "network between nodes"
    CERTIFICATES = "certificates"
    BACKUPS = "backups"
    ALARMS = "alarms"
    ADD_ONS = "add-ons"
    QUOTAS = "quotas"
    DRIFT = "drift"


class Level(StrEnum):
    """`TROUBLE` is also what could not be read: it may hide anything."""

    OK = "ok"
    WARNING = "warning"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: what is so, and what to do about it; nothing for one that is well."""

    subject: Subject
    level: Level
    sentence: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """All findings of a cluster, in the order of the subjects."""

    cluster: str
    findings: tuple[Finding, ...]

    @property
    def troubles(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.level is Level.TROUBLE)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.level is Level.WARNING)

    @property
    def sentence(self) -> str:
        """The first trouble, and how much else there is."""
        if not self.troubles:
            more = f", with {len(self.warnings)} warnings" if self.warnings else ""
            return f"cluster {self.cluster} is well{more}"
        first = self.troubles[0]
        more = f" (and {len(self.troubles) - 1} more)" if len(self.troubles) > 1 else ""
        action = f". {first.action}" if first.action else ""
        return f"cluster {self.cluster}, {first.subject}: {first.sentence}{more}{action}"


class Unwell(FinalError):
    """A check has found trouble.

    Attributes:
        report: all findings.
    """

    def __init__(self, report: HealthReport) -> None:
        super().__init__(report.sentence)
        self.report = report


def well(subject: Subject, sentence: str) -> Finding:
    return Finding(subject, Level.OK, sentence)


def warning(subject: Subject, sentence: str, action: str = "") -> Finding:
    return Finding(subject, Level.WARNING, sentence, action)


def trouble(subject: Subject, sentence: str, action: str = "") -> Finding:
    return Finding(subject, Level.TROUBLE, sentence, action)


def unread(subject: Subject, reason: str) -> Finding:
    """The finding where the state could not be read."""
    return trouble(subject, f"is not known: {reason}")


def report_findings(cluster: str, findings: Sequence[Finding]) -> HealthReport:
    order = tuple(Subject)
    return HealthReport(cluster, tuple(sorted(findings, key=lambda one: order.index(one.subject))))
