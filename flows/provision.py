"""Make a cluster, or finish and extend one that is there: `python -m flows.provision`."""

from typing import Annotated

from cyclopts import Parameter
from prefect import flow
from prefect.context import FlowRunContext
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.accounts import QingCloudAccount
from domain.autoscaling.decide.bounds import Bounds
from domain.autoscaling.decide.doubts import find_doubts
from domain.cloud.planning import plan_cluster
from domain.kernel.errors import ClusterError
from domain.observe.cost import price_plan
from domain.reports.cluster import ClusterReport
from domain.spec.cluster import ClusterSpec, overlay
from flows._building import build
from flows._command import (
    YES,
    Common,
    cluster_name,
    make_app,
    never_lower,
    read_document,
    run,
    session,
    tell_billed,
    telling,
    wanted_spec,
)
from flows._nodes import MOST_AT_ONCE
from flows._numbers import whole_number
from flows._run_log import tell_errors_in_one_sentence
from flows._terminal import show_plan, show_report
from tasks.credentials import only_run
from tasks.overview import check, check_services, read_report, read_view, stored_spec
from tasks.reports import Progress, publish_report
from tasks.steps import Recorder, listening, run_logger

USUAL_STEPS = 24  # of a new cluster with two nodes; the progress bar needs only be about right


@flow(
    name="provision",
    flow_run_name="provision {spec.name}",
    on_running=[tell_errors_in_one_sentence],
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def provision(
    account: QingCloudAccount,
    spec: ClusterSpec,
    demo: bool = True,
    ui: bool = True,
    accept_new_host_keys: bool = False,
    rollback: bool = False,
) -> ClusterReport:
    """Make the cloud hold the cluster that is described, and report it.

    Safe to run again at any time: what is there is found by its name and kept, what is missing is
    made. A count is never lowered. A failed run leaves what it made, and goes on when run again.

    Args:
        account: The QingCloud account to make it in.
        spec: The wanted cluster.
        demo: Run the article's nginx and fetch its page.
        ui: Install and publish kube-ui.
        accept_new_host_keys: Trust the first answer of machines whose image ignores userdata.
        rollback: Tear down what a failed run has made, if the cluster did not exist before.
    """
    recorder, progress = Recorder(), Progress(spec.name, USUAL_STEPS)
    begins = False
    with listening(recorder), listening(progress):
        try:
            with only_run(account, spec.name):
                view = read_view(account, spec.name)
                begins = view.is_empty
                stored = stored_spec(account, view)
                # What a form or a deployment leaves out is what the cluster remembers.
                spec = never_lower(wanted_spec(account, view, stored, spec.given), view)
                for words in check_services(spec, stored):
                    run_logger().warning(words)
                build(
                    account,
                    spec,
                    is_stored=stored is not None,
                    accept_new_host_keys=accept_new_host_keys,
                    demo=demo,
                    ui=ui,
                )
        except ClusterError:
            if rollback and begins:
                run_logger().warning("rolling back: nothing of %s existed before", spec.name)
                from flows.teardown import teardown  # here: it takes a third of a second

                _end_branches()
                teardown(account, spec.name)
            raise
    report = read_report(account, read_view(account, spec.name), spec.access, spec.prices)
    publish_report(report, recorder.timeline(f"provision {spec.name}"))
    return report


def _end_branches() -> None:
    """Wait for what still runs beside the step that failed: it may be making something."""
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
    allow: Annotated[
        list[str] | None,
        Parameter(negative=(), help="CIDR that may reach API, UI and SSH; repeatable"),
    ] = None,
    plan: Annotated[
        bool, Parameter(negative=(), help="Show what would be done; change nothing")
    ] = False,
    demo: Annotated[bool, Parameter(help="Run the nginx demo")] = True,
    ui: Annotated[bool, Parameter(help="Install kube-ui")] = True,
    yes: YES = False,
    rollback: Annotated[
        bool, Parameter(negative=(), help="Delete what a first run has created if it fails")
    ] = False,
    accept_new_host_keys: Annotated[
        bool, Parameter(negative=(), help="Trust the first host key when an image ignores userdata")
    ] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Make a Kubernetes cluster, or finish and extend one that is there."""
    name, document = cluster_name(common), read_document(common)
    if nodes is not None:
        document = overlay(document, {"nodes": {"count": nodes}})
    if allow:
        document = overlay(document, {"access": {"allowed_cidrs": allow}})
    with session(common) as opened:
        account = opened.account
        view = read_view(account, name)
        stored = stored_spec(account, view)
        spec = never_lower(wanted_spec(account, view, stored, document), view)
        if nodes is not None and nodes < spec.nodes.count:
            opened.say(
                f"{name} keeps its {len(view.nodes)} nodes; for fewer, type: "
                f"python -m flows.scale --name {name} --count {nodes}"
            )
        for words in check_services(spec, stored):
            opened.say(words)
        for doubt in doubts_of(spec):
            opened.say(f"Scaling policy: {doubt}")
        images = check(account, spec, view).images
        plain = plan_cluster(spec, view, {group: image.id for group, image in images.items()})
        planned = price_plan(plain, view, spec)
        if plan:
            show_plan(planned)
            opened.answer(planned)
            return
        if planned.changes:
            access = spec.access
            opened.chosen.check_ports((access.api_port, access.ui_port, access.ssh_port))
        if account.bills and planned.changes:
            opened.agree(planned, f"Make this in zone {account.zone}?", yes=yes)
        with telling(lambda: tell_billed(opened, name)):
            report = provision(account, spec, demo, ui, accept_new_host_keys, rollback)
    show_report(report, next_commands(report))
    opened.answer(report)


def doubts_of(spec: ClusterSpec) -> tuple[str, ...]:
    """What is doubtful about the scaling policy that is about to be stored."""
    if spec.scaling is None:
        return ()
    return find_doubts(
        spec.scaling,
        Bounds(spec.nodes.minimum, spec.nodes.maximum),
        [monitor.name for monitor in spec.monitoring.custom],
        spec.kubernetes.pods_per_node,
    )


def next_commands(report: ClusterReport) -> list[str]:
    """Three commands to try on a new cluster."""
    name = report.cluster
    return [
        f"python -m flows.kubeconfig --name {name} --out {name}.kubeconfig",
        f"kubectl --kubeconfig {name}.kubeconfig get nodes,rc,svc,pods",
        f"python -m flows.scale --name {name} --count {len(report.nodes)}",
    ]


if __name__ == "__main__":
    run(app)
