"""Adding a custom monitor to a description, and removing one."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from domain.kernel.errors import InvalidSpec
from domain.spec.cluster import ClusterSpec, changed
from domain.spec.documents import describe_invalid
from domain.spec.monitoring import Monitor
from domain.spec.scaling import ScalingPolicy

_ADVICE = {"name": "use letters, digits and _, at most 40, starting with a letter"}


def make_monitor(given: Mapping[str, Any]) -> Monitor:
    """Check a monitor by itself.

    Args:
        given: keys as below `monitoring.custom` in the YAML file.

    Raises:
        InvalidSpec: the name is taken by a built-in metric or no name, or the script cannot run.
    """
    try:
        return Monitor.model_validate(dict(given))
    except ValidationError as error:
        raise InvalidSpec(describe_invalid(error, Monitor, _ADVICE)) from error


def with_monitor(spec: ClusterSpec, monitor: Monitor) -> ClusterSpec:
    """The same cluster with one monitor more.

    Raises:
        InvalidSpec: its group does not exist, or has a monitor of that name.
    """
    if (monitor.name, monitor.group) in {(one.name, one.group) for one in spec.monitoring.custom}:
        raise InvalidSpec(
            f"group {monitor.group} has a custom monitor {monitor.name} already; remove it first "
            f"with: python -m flows.monitor remove {monitor.name} --group {monitor.group} "
            f"--name {spec.name}"
        )
    return _with(spec, (*spec.monitoring.custom, monitor))


def without_monitor(spec: ClusterSpec, name: str, group: str) -> ClusterSpec:
    """The same cluster without one of its monitors.

    Raises:
        InvalidSpec: there is no such monitor, or a rule reads it.
    """
    kept = [one for one in spec.monitoring.custom if (one.name, one.group) != (name, group)]
    if len(kept) == len(spec.monitoring.custom):
        known = ", ".join(f"{one.name} of {one.group}" for one in kept) or "none"
        raise InvalidSpec(f"there is no custom monitor {name} of group {group}; it has: {known}")
    if group in spec.node_groups:
        policy = spec.policy(group)
        if isinstance(policy, ScalingPolicy) and name in {one.metric for one in policy.rules}:
            raise InvalidSpec(
                f"the scaling policy of group {group} reads {name}; change the policy first"
            )
    return _with(spec, kept)


def _with(spec: ClusterSpec, monitors: Sequence[Monitor]) -> ClusterSpec:
    custom = [one.model_dump(mode="json") for one in monitors]
    return changed(spec, {"monitoring": {"custom": custom}})
