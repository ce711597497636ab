"""Trying a custom monitor on the machines that it is meant for."""

from collections.abc import Mapping
from datetime import UTC, datetime

from domain.cloud.inventory import Machines
from domain.kernel.ensured import Ensured
from domain.kernel.errors import InvalidSpec
from domain.observe.metrics.scripts import scripts_for
from domain.spec.monitoring import Monitor
from tasks.cluster import Cluster
from tasks.steps import step
from tasks.visits import Visit, measure_machines


@step("try {monitor.name} on the machines of {monitor.group}")
def try_monitor(
    cluster: Cluster, machines: Machines, monitor: Monitor
) -> Ensured[Mapping[str, float | str]]:
    """Run a monitor's script once on each running machine of its group.

    Returns:
        By machine its number, or why there is none; empty where no machine of the group runs.

    Raises:
        InvalidSpec: the script measures nothing on any of them.
    """
    scripts = scripts_for(monitor.group, (monitor,))
    running = [one for one in machines.group(monitor.group) if one.is_up]
    if not running:
        return Ensured({}, "no machine of the group runs, so the script was not tried")
    visits = [Visit(monitor.group, machine, scripts) for machine in running]
    found = measure_machines(cluster, visits, datetime.now(UTC))
    reasons = {gap.machine: gap.reason for gap in found.gaps}
    if not found.samples:
        machine, reason = next(iter(reasons.items()))
        raise InvalidSpec(
            f"{monitor.name} is not added, because it measures nothing on any of the "
            f"{len(running)} machines of group {monitor.group}; on {machine}: {reason}"
        )
    values = {sample.machine: sample.value for sample in found.samples}
    words = f"a number on {len(values)} of {len(running)} machines"
    return Ensured({**values, **reasons}, words)
