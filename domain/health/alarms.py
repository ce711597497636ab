"""Which alarms are raised?"""

from collections.abc import Iterable

from domain.health.findings import Finding, Subject, trouble, warning, well
from domain.kernel.texts import first_of
from domain.observe.alarms.states import AlarmState, Phase
from domain.spec.alarms import Level


def check_alarms(states: Iterable[AlarmState], *, measured: bool) -> Finding:
    """Check the alarms that are raised now.

    Args:
        measured: whether there are samples of the last minutes.
    """
    states = tuple(states)
    firing = [one for one in states if one.phase is Phase.FIRING]
    if not measured:
        return warning(
            Subject.ALARMS,
            "nothing was measured in the last 15 minutes, so no alarm can be raised",
            "Deploy the cluster (make deploy), or run: python -m flows.monitor --watch",
        )
    errors = [_name(one) for one in firing if one.level is Level.ERROR]
    if errors:
        return trouble(Subject.ALARMS, f"raised: {first_of(sorted(errors))}")
    if firing:
        return warning(Subject.ALARMS, f"raised: {first_of(sorted(map(_name, firing)))}")
    pending = sorted(_name(one) for one in states if one.phase is Phase.PENDING)
    if pending:
        return warning(Subject.ALARMS, f"pending: {first_of(pending)}")
    return well(Subject.ALARMS, "none is raised")


def _name(state: AlarmState) -> str:
    where = state.subject.machine or state.subject.group
    return f"{state.rule} of {where}" if where else state.rule
