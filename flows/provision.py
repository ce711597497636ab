"""Create a cluster, or finish and extend an existing one: `python -m flows.provision`."""

from typing import Annotated

from cyclopts import Parameter
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
    YES,
    Common,
    cluster_name,
    make_app,
    read_document,
    report_billed,
    reporting,
    run,
    session,
)
from flows._cli.numbers import whole_number
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


app = make_app(
    "provision", "Create a Kubernetes cluster on QingCloud, or finish or extend an existing one."
)


@app.default
def main(
    *,
    nodes: Annotated[
        int | None, Parameter(help="Number of nodes (a new cluster: 2)", converter=whole_number)
    ] = None,
    masters: Annotated[
        int | None, Parameter(help="Number of masters: 1, 3 or 5", converter=whole_number)
    ] = None,
    allow: Annotated[
        list[str] | None,
        Parameter(negative=(), help="CIDR that may reach API, UI and SSH; repeatable"),
    ] = None,
    plan: Annotated[bool, Parameter(negative=(), help="Show the plan; change nothing")] = False,
    demo: Annotated[bool, Parameter(help="Run the nginx demo")] = True,
    ui: Annotated[bool, Parameter(help="Install kube-ui")] = True,
    yes: YES = False,
    rollback: Annotated[
        bool, Parameter(negative=(), help="If the first run fails, delete its resources")
    ] = False,
    accept_new_host_keys: Annotated[
        bool, Parameter(negative=(), help="Trust the first host key when an image ignores userdata")
    ] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Create a Kubernetes cluster, or finish and extend an existing one."""
    name, document = cluster_name(common), read_document(common)
    if nodes is not None:
        document = overlay(document, {"nodes": {"count": nodes}})
    if masters is not None:
        document = overlay(document, {"masters": {"count": masters}})
    if allow:
        document = overlay(document, {"access": {"allowed_cidrs": allow}})
    with session(common, name) as opened:
        cluster, account = opened.cluster, opened.account
        stored = find_spec(cluster)
        spec = wanted_spec(cluster, stored, document)
        existing = len(cluster.inventory().group(NODES))
        if nodes is not None and nodes < max(existing, spec.nodes.count):
            opened.print_line(
                f"{name} keeps its {existing} nodes; for fewer, type: "
                f"python -m flows.scale --name {name} --count {nodes}"
            )
        if masters is not None and masters < spec.masters.count:
            opened.print_line(
                f"{name} keeps its {spec.masters.count} masters; for fewer, type: "
                f"python -m flows.scale --name {name} --group {MASTERS} --count {masters}"
            )
        for words in check_services(spec, stored):
            opened.print_line(words)
        for doubt in doubts_of(spec):
            opened.print_line(f"Scaling policy: {doubt}")
        planned = make_plan(cluster, spec)
        if plan:
            show_plan(planned)
            opened.print_result(planned)
            return
        if planned.changes:
            access = spec.access
            opened.chosen.check_ports((access.api_port, access.ui_port, access.ssh_port))
        if account.bills and planned.changes:
            opened.confirm(planned, f"Create this in zone {account.zone}?", yes=yes)
        with reporting(lambda: report_billed(opened)):
            report = provision(
                account, GivenSpec.of(spec, stored), demo, ui, accept_new_host_keys, rollback
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
    run(app)
