"""The report of one evaluation, for terminals, programs, Events and artifacts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.autoscaling.decision import KINDS, Decision


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of a group.

    Args:
        kind: `out`, `in`, `repair`, `hold`, or `skipped` without an evaluation; `sentence` gives
            the reason.
        size: machines before, without broken ones.
        target: machines wanted afterwards.
        details: readings of the rules, and notes.
        acted: whether the change was carried out completely.
        failure: why it was not.
        further: the evaluations of the other groups of nodes.
    """

    cluster: str
    group: str
    time: datetime
    kind: str
    sentence: str
    reason: str = ""
    size: int = 0
    target: int = 0
    details: tuple[str, ...] = ()
    acted: bool = False
    failure: str = ""
    further: tuple["Evaluation", ...] = ()

    @property
    def each(self) -> tuple["Evaluation", ...]:
        """This evaluation, and those of the other groups."""
        return (self, *self.further)

    @property
    def changes(self) -> bool:
        return self.kind in ("out", "in", "repair")

    def done(self) -> "Evaluation":
        return replace(self, acted=True)

    def failed(self, why: str) -> "Evaluation":
        return replace(self, failure=why)


def evaluation_of(decision: Decision, cluster: str, group: str, now: datetime) -> Evaluation:
    basis = decision.basis
    return Evaluation(
        cluster=cluster,
        group=group,
        time=now,
        kind=KINDS[type(decision)],
        sentence=decision.sentence,
        reason=str(basis.reason),
        size=basis.size,
        target=decision.target,
        details=basis.facts,
    )


def together(evaluations: Sequence[Evaluation]) -> Evaluation:
    """The first evaluation, with the others in it."""
    first, *further = evaluations
    return replace(first, further=tuple(further))


OTHER_AT_WORK = "another evaluator is at work"


def skipped_for_other(cluster: str, group: str, now: datetime, who: str) -> Evaluation:
    """No evaluation, because another evaluator makes it."""
    found = skipped(cluster, group, now, f"{OTHER_AT_WORK}: {who}")
    return replace(found, reason=OTHER_AT_WORK)


def skipped(cluster: str, group: str, now: datetime, why: str) -> Evaluation:
    return Evaluation(cluster, group, now, "skipped", f"nothing was decided, because {why}")
