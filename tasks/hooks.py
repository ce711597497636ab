"""Steps of life-cycle hooks: which are due, and running one for a machine."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from domain.cloud.records import Instance
from domain.cluster.api import Node
from domain.kernel.ensured import Ensured
from domain.kernel.names import node_name
from domain.node.scripts import Script, ScriptFailed, ScriptReport
from domain.spec.hooks import Hook, Moment, OnFailure
from tasks.cluster import Cluster
from tasks.scripts import Turns, run_on_machines
from tasks.steps import step

MARK = "k8s-qingcloud/hook-"
"""Begin of the annotation of a node for which a hook has run; the hook's name follows."""


@dataclass(frozen=True, slots=True)
class Due:
    """A hook, and a machine for which it has not run yet."""

    hook: Hook
    machine: Instance


def find_due(
    hooks: Iterable[Hook], nodes: Sequence[Node], groups: Iterable[tuple[str, Instance]]
) -> Iterator[Due]:
    """Find the hooks that have not run for a machine that has joined, hook by hook.

    A changed script runs again; so does a new hook, for each existing machine.
    """
    ready = {node.name: node for node in nodes if node.ready}
    machines = sorted(groups, key=lambda pair: pair[1].id)
    for hook in hooks:
        if hook.when is not Moment.ADDED:
            continue
        for group, machine in machines:
            node = ready.get(node_name(group, machine.id))
            if group == hook.group and node and node.annotations.get(_mark(hook)) != digest(hook):
                yield Due(hook, machine)


def digest(hook: Hook) -> str:
    return hashlib.sha256(hook.script.encode()).hexdigest()[:16]


def _mark(hook: Hook) -> str:
    return MARK + hook.name


@step("hook {hook.name} for {machine.id}")
def run_hook(cluster: Cluster, hook: Hook, machine: Instance, broken: str = "") -> Ensured[bool]:
    """Run a hook on all machines of its group for one machine, and note it at the machine's node.

    Args:
        broken: why that machine is broken, if it is; then it runs nothing itself.

    Returns:
        Whether it ended well.

    Raises:
        ScriptFailed: it did not, and its policy is to stop.
    """
    machines = cluster.machines().group(hook.runs_on)
    machines = tuple(one for one in machines if not (broken and one.id == machine.id))
    turns = Turns(delay=hook.delay, interval=hook.interval, fail_fast=hook.on_failure == "stop")
    script = Script(hook.script, hook.timeout, _variables(cluster, hook, machine))
    report = ScriptReport(hook.runs_on, run_on_machines(cluster, machines, script, turns))
    if report.failed:
        words = f"hook {hook.name} for {machine.id}: {describe(report)}"
        if hook.on_failure is OnFailure.STOP:
            raise ScriptFailed(f"{words}. Correct it, and run the same command again", report)
        return Ensured(False, f"{words}; the run goes on", failed=True)
    if hook.when is Moment.ADDED:
        cluster.api().annotate_node(cluster.node_name(machine), {_mark(hook): digest(hook)})
    return Ensured(True, report.sentence)


def describe(report: ScriptReport) -> str:
    """The sentence of a report, with what the first failure said."""
    said = report.failed[0].last_line if report.failed else ""
    return f"{report.sentence}: {said}" if said else report.sentence


def _variables(cluster: Cluster, hook: Hook, machine: Instance) -> dict[str, str]:
    return {
        "HOOK_EVENT": hook.when.value,
        "HOOK_GROUP": hook.group,
        "HOOK_MACHINE": machine.id,
        "HOOK_NODE": cluster.node_name(machine),
        "HOOK_ADDRESS": machine.private_ip,
    }
