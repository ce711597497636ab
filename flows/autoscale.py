"""Let a group of machines follow its load: `python -m flows.autoscale`."""

from datetime import UTC, datetime

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.accounts import QingCloudAccount
from domain.autoscaling.decide.explanation import explain, explain_latest
from domain.autoscaling.memory.keeping import read_memory
from domain.autoscaling.report import OTHER_AT_WORK, Evaluation, skipped
from domain.kernel.errors import InvalidSpec
from domain.kernel.names import NODES
from domain.spec.cluster import ClusterName
from domain.spec.moments import parse_moment
from domain.spec.part import Switch
from domain.spec.presets import PolicyName
from flows._cli.command import Session, cluster_name, run, session
from flows._cli.flags.autoscale import Flags, app
from flows._cli.flags.replay import used_flags
from flows._cli.parsing import parse
from flows._cli.replay import try_policy
from flows._cli.terminal.evaluations import show_evaluation, show_explanation
from flows._cli.watching import watch_cluster
from flows.runbooks.evaluate import evaluate_groups
from flows.runbooks.nodes import MOST_AT_ONCE
from tasks.autoscaling import LATEST, seconds_late
from tasks.cases import read_input
from tasks.cluster import open_cluster
from tasks.events import EVALUATED, announce
from tasks.executors import PrefectSteps
from tasks.metrics import need_machines
from tasks.run_log import keep_log_short


@flow(
    name="autoscale",
    flow_run_name="autoscale {name}",
    on_running=[keep_log_short],
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def autoscale(
    account: QingCloudAccount,
    name: ClusterName = "demo",
    policy: PolicyName = "",
    dry_run: Switch = False,
) -> Evaluation:
    """Evaluate a cluster's load once, decide about the size of each group of nodes, and act.

    One evaluator at a time: a run that is late, or finds another one, returns at once with the
    reason.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
        policy: A preset, or a YAML file where the flow runs, for one group; if empty, the
            cluster's own policies.
        dry_run: Decide and explain, change nothing.
    """
    now = datetime.now(UTC)
    late = seconds_late(now)
    if late > LATEST.total_seconds():
        return skipped(name, NODES, now, f"this run is {late:.0f} s late, and a newer one is due")
    with open_cluster(account, name) as cluster:
        found = evaluate_groups(PrefectSteps(), cluster, policy, dry_run=dry_run)
        if not dry_run and is_alive(found):
            # Where it is missing, an automation notifies that the autoscaler is silent.
            announce(cluster.key, name, EVALUATED, {"kind": found.kind, "size": found.size})
        return found


def is_alive(found: Evaluation) -> bool:
    """Whether an evaluator is at work: this one, or the one that holds the Lease."""
    return any(one.kind != "skipped" or one.reason == OTHER_AT_WORK for one in found.each)


def main(flags: Flags) -> None:
    """Add machines when pods wait or rules say so, and remove them when nothing needs them."""
    asked = {
        "--once": flags.once and not flags.dry_run,
        "--dry-run": flags.dry_run,
        "--watch": flags.watch,
        "--why": flags.why is not None,
        "--replay": bool(flags.replay),
    }
    chosen = [flag for flag, given in asked.items() if given]
    if len(chosen) > 1:
        raise InvalidSpec(f"{' and '.join(chosen)} do not go together; choose one")
    if flags.replay:
        try_policy(flags.replay, flags.replayed, json=flags.common.json)
        return
    if idle := used_flags(flags.replayed):
        raise InvalidSpec(f"{' and '.join(idle)} need --replay")
    if flags.watch and flags.common.json:
        raise InvalidSpec("--watch and --json do not go together; --json evaluates once")
    name = cluster_name(flags.common)
    with session(flags.common, name, lasting=flags.watch) as opened:
        if flags.watch:
            _watch(opened, name, flags.policy)
        elif flags.why is not None:
            _explain(opened, flags.group, flags.why[0] if flags.why else "")
        else:
            need_machines(
                opened.cluster
            )  # a missing cluster is an error here, and not a skipped run
            found = autoscale(opened.account, name, flags.policy, flags.dry_run)
            show_evaluation(found, dry_run=flags.dry_run)
            opened.print_result(found)


def _watch(opened: Session, name: str, policy: str) -> None:
    watch_cluster(
        opened.cluster,
        policy,
        act=lambda: autoscale(opened.account, name, policy),
        show=show_evaluation,
        print_line=opened.print_line,
    )


def _explain(opened: Session, group: str, when: str) -> None:
    now = datetime.now().astimezone()
    moment = parse_moment(when, now)
    cluster = read_input(opened.cluster).cluster
    cluster.spec.nodes_of(group)
    memory = read_memory(cluster.api(), group)
    found = explain(memory, moment) if when else explain_latest(memory, now)
    show_explanation(found)
    opened.print_result(found)


if __name__ == "__main__":
    run(main, parse(app))
