"""Create a cluster, or finish and extend an existing one: `python -m flows.provision`."""

from prefect import flow
from prefect.context import FlowRunContext
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.accounts import QingCloudAccount
from domain.autoscaling.decide.bounds import Bounds
from domain.autoscaling.decide.doubts import find_doubts
from domain.cloud.plan import Plan
from domain.cloud.planning import plan_cluster
from domain.kernel.errors import ClusterError
from domain.kernel.names import MASTERS, NODES
from domain.observe.cost import price_plan
from domain.reports.cluster import ClusterReport
from domain.spec.cluster import ClusterSpec, overlay
from domain.spec.given import GivenSpec
from domain.spec.part import Switch
from domain.spec.presets import UnreadPolicy
from flows._cli.command import (
    cluster_name,
    read_document,
    report_billed,
    reporting,
    run,
    session,
)
from flows._cli.flags.provision import Flags, app
from flows._cli.parsing import parse
from flows._cli.terminal import show_plan, show_report
from flows.runbooks.nodes import MOST_AT_ONCE
from flows.runbooks.provision import provision as provision_cluster
from tasks.approval import approve
from tasks.cluster import Cluster, open_cluster
from tasks.control_plane import find_spec
from tasks.executors import PrefectSteps
from tasks.finish import finish_run
from tasks.overview import check, check_services, wanted_spec
from tasks.reports import Progress
from tasks.run_log import keep_log_short
from tasks.runs import only_run
from tasks.scalings import recorded_sizes
from tasks.steps import Recorder, listening, run_logger

USUAL_STEPS = 28  # of a new cluster with two nodes; the progress bar is an estimate


@flow(
    name="provision",
    flow_run_name="provision {spec.name}",
    on_running=[keep_log_short],
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def provision(
    account: QingCloudAccount,
    spec: GivenSpec,
    demo: Switch = True,
    ui: Switch = True,
    accept_new_host_keys: Switch = False,
    rollback: Switch = False,
) -> ClusterReport:
    """Create the described cluster, or complete an existing one, and report it.

    Safe to run again at any time: existing resources are found by their names and kept, missing
    ones are created. A count is never lowered. A failed run keeps the resources that it created,
    and continues when it is run again.

    Args:
        account: The QingCloud account to create it in.
        spec: The wanted cluster; what is not given is kept, or has its default in a new one.
        demo: Run the article's nginx and fetch its page.
        ui: Install and publish kube-ui.
        accept_new_host_keys: Trust the first host key of machines whose image ignores userdata.
        rollback: Delete the resources of a failed run, if the cluster did not exist before.
    """
    steps, recorder = PrefectSteps(), Recorder()
    with (
        open_cluster(account, spec.name) as cluster,
        listening(recorder),
        listening(Progress(cluster.id, USUAL_STEPS)),
    ):
        is_new = False
        approve(cluster, lambda: planned_by(cluster, spec))
        try:
            with only_run(cluster):
                is_new = cluster.inventory().is_empty
                stored = find_spec(cluster)
                wanted = wanted_spec(cluster, stored, spec.given)
                for words in check_services(wanted, stored):
                    run_logger().warning(words)
                wanting = cluster.wanting(wanted, accept_new_host_keys=accept_new_host_keys)
                with recorded_sizes(wanting, "provision"):
                    provision_cluster(
                        steps, wanting, is_stored=stored is not None, demo=demo, ui=ui
                    )
        except ClusterError:
            if rollback and is_new:
                run_logger().warning("rolling back: nothing of %s existed before", spec.name)
                from flows.teardown import teardown  # here: few runs need it

                _wait_for_running_steps()  # which ends the task runner, so the flow brings its own
                cluster.look_again()
                teardown(account, spec.name)
            raise
        return finish_run(cluster, wanted, recorder.timeline(f"provision {spec.name}"))


def _wait_for_running_steps() -> None:
    """Wait for steps that still run beside the one that failed: they may create resources."""
    context = FlowRunContext.get()
    if context and isinstance(context.task_runner, ThreadPoolTaskRunner):
        context.task_runner.cancel_all()


def main(flags: Flags) -> None:
    """Create a Kubernetes cluster, or finish and extend an existing one."""
    name, document = cluster_name(flags.common), read_document(flags.common)
    if flags.nodes is not None:
        document = overlay(document, {"nodes": {"count": flags.nodes}})
    if flags.masters is not None:
        document = overlay(document, {"masters": {"count": flags.masters}})
    if flags.allow:
        document = overlay(document, {"access": {"allowed_cidrs": flags.allow}})
    with session(flags.common, name) as opened:
        cluster, account = opened.cluster, opened.account
        stored = find_spec(cluster)
        spec = wanted_spec(cluster, stored, document)
        existing = len(cluster.inventory().group(NODES))
        if flags.nodes is not None and flags.nodes < max(existing, spec.nodes.count):
            opened.print_line(
                f"{name} keeps its {existing} nodes; for fewer, type: "
                f"python -m flows.scale --name {name} --count {flags.nodes}"
            )
        if flags.masters is not None and flags.masters < spec.masters.count:
            opened.print_line(
                f"{name} keeps its {spec.masters.count} masters; for fewer, type: "
                f"python -m flows.scale --name {name} --group {MASTERS} --count {flags.masters}"
            )
        for words in check_services(spec, stored):
            opened.print_line(words)
        for doubt in doubts_of(spec):
            opened.print_line(f"Scaling policy: {doubt}")
        planned = make_plan(cluster, spec)
        if flags.plan:
            show_plan(planned)
            opened.print_result(planned)
            return
        if planned.changes:
            access = spec.access
            opened.chosen.check_ports((access.api_port, access.ui_port, access.ssh_port))
        if account.bills and planned.changes:
            opened.confirm(planned, f"Create this in zone {account.zone}?", yes=flags.yes)
        with reporting(lambda: report_billed(opened)):
            report = provision(
                account,
                GivenSpec.of(spec, stored),
                flags.demo,
                flags.ui,
                flags.accept_new_host_keys,
                flags.rollback,
            )
    show_report(report, next_commands(report))
    opened.print_result(report)


def planned_by(cluster: Cluster, given: GivenSpec) -> Plan:
    """What a run would change that is given these values, with its prices."""
    return make_plan(cluster, wanted_spec(cluster, find_spec(cluster), given.given))


def make_plan(cluster: Cluster, spec: ClusterSpec) -> Plan:
    """Check a description against the cloud, and plan what a run would change, with its prices."""
    wanting = cluster.wanting(spec)
    images = check(wanting).images
    ids = {group: image.id for group, image in images.items()}
    seen = wanting.inventory()
    return price_plan(plan_cluster(spec, seen, ids), seen, spec)


def doubts_of(spec: ClusterSpec) -> tuple[str, ...]:
    """Doubts about the scaling policies that are about to be stored."""
    found: list[str] = []
    for group, nodes in spec.node_groups.items():
        policy, of = spec.policy(group), "" if group == NODES else f"group {group}: "
        if isinstance(policy, UnreadPolicy):
            found.append(f"{of}the stored scaling policy cannot be read ({policy.reason})")
        elif policy:
            doubts = find_doubts(
                policy,
                Bounds(nodes.minimum, nodes.maximum),
                [monitor.name for monitor in spec.monitoring.custom],
                spec.kubernetes.pods_per_node,
            )
            found += [of + words for words in doubts]
    return tuple(found)


def next_commands(report: ClusterReport) -> list[str]:
    """Commands to try on a new cluster."""
    name = report.cluster
    nodes = sum(machine.group == NODES for machine in report.machines)
    return [
        f"python -m flows.kubeconfig --name {name} --out {name}.kubeconfig",
        f"kubectl --kubeconfig {name}.kubeconfig get nodes,rc,svc,pods",
        f"python -m flows.scale --name {name} --count {nodes + 1}",
        f"python -m flows.check --name {name}",
    ]


if __name__ == "__main__":
    run(main, parse(app))
