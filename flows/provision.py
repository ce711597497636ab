"""Make a cluster, or finish and extend one that is there: `python -m flows.provision`."""

from typing import Annotated

from cyclopts import Parameter
from prefect import flow
from prefect.context import FlowRunContext
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.accounts import QingCloudAccount
from domain.autoscaling.bounds import Bounds
from domain.autoscaling.doubts import find_doubts
from domain.bootstrap import ApiPlace
from domain.cost import price_plan
from domain.errors import ClusterError
from domain.names import MASTERS, NODES, node_name
from domain.pki import make_bootstrap_token
from domain.planning import plan_cluster
from domain.report import ClusterReport
from domain.spec import ClusterSpec, overlay
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
from flows._nodes import MOST_AT_ONCE, install_nodes, join_nodes, login_users, tell_neighbours
from flows._numbers import whole_number
from flows._run_log import tell_errors_in_one_sentence
from flows._terminal import show_plan, show_report
from flows.ui import publish_ui
from tasks.control_plane import (
    api_url,
    ready_nodes,
    refuse_forgotten,
    store_spec,
    wait_for_apiserver,
    wait_for_nodes,
)
from tasks.credentials import ensure_credentials, only_run
from tasks.machines import ensure_keypair, ensure_machines, install_master, log_in_to_master
from tasks.network import (
    apply_firewall,
    bind_address,
    ensure_address,
    ensure_balancer,
    ensure_firewall,
    ensure_machine_group,
    ensure_routes,
    ensure_vpc,
    ensure_vxnets,
    publish_ports,
)
from tasks.overview import check, check_services, check_spec, read_report, read_view, stored_spec
from tasks.reports import Progress, publish_report
from tasks.shells import Entrance
from tasks.steps import Recorder, listening, run_logger
from tasks.tags import tag_resources
from tasks.workloads import ensure_demo

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


def build(
    account: QingCloudAccount,
    spec: ClusterSpec,
    *,
    is_stored: bool,
    accept_new_host_keys: bool,
    demo: bool,
    ui: bool,
) -> None:
    """The runbook: the order of the steps, and what runs beside what.

    The critical path is network, master, control plane, join; everything else runs beside it.

    Args:
        is_stored: whether the description rests on the one that the cluster remembers.
    """
    view = read_view(account, spec.name)
    choices = check_spec(account, spec, view)
    credentials = ensure_credentials(account, view)

    # What needs nothing else.
    firewall = ensure_firewall.submit(account, spec)
    machine_group = ensure_machine_group.submit(account, spec)
    keypair = ensure_keypair.submit(account, spec, credentials)
    address = ensure_address.submit(account, spec)

    # The network. A router takes one change at a time, hence the order.
    vpc = ensure_vpc(account, spec, firewall.result())
    applied = apply_firewall.submit(account, firewall.result(), vpc)
    machines = spec.masters.count + spec.nodes.count
    vxnets = ensure_vxnets(account, spec, vpc, machines)
    balancer = ensure_balancer.submit(account, spec, vxnets, firewall.result())

    # Machines of both groups start while the public side comes up.
    masters, nodes = (
        ensure_machines.submit(
            account,
            spec,
            group,
            choices.images[group].id,
            vxnets,
            keypair.result(),
            machine_group.result(),
        )
        for group in (MASTERS, NODES)
    )
    vpc = bind_address(account, vpc, vxnets, address.result())
    routes = ensure_routes.submit(account, spec, balancer.result(), masters.result())
    applied.result()
    public = publish_ports(account, spec, vpc, balancer.result(), masters.result())
    place = ApiPlace(balancer.result().private_ip, public)
    url = api_url(public, spec.access.api_port)

    # Kubernetes: nodes install what needs no master while the master comes up.
    entrance = Entrance(
        spec.name,
        public,
        spec.access.ssh_port,
        masters.result()[0],
        login_users(choices),
        accept_new_host_keys,
        spec.access.allowed_cidrs,
    )
    routes.result()
    # Before there was a master nobody can be Ready, and asking would cost a time-out.
    ready = ready_nodes(account, view, url) if view.masters else frozenset[str]()
    master, token = entrance.master, make_bootstrap_token()
    new = [node for node in nodes.result() if node_name(NODES, node.id) not in ready]
    log_in_to_master(account, entrance)
    master_done = None
    if node_name(MASTERS, master.id) not in ready:
        master_done = install_master.submit(account, spec, entrance, master, place, token)
    installed = install_nodes(account, spec, entrance, new, place)
    if master_done:
        master_done.result()
    wait_for_apiserver(account, spec, url)
    if not is_stored:
        refuse_forgotten(account, spec.name, url)
    join_nodes(account, spec, entrance, installed, place)
    wait_for_nodes(account, spec, url, [node_name(MASTERS, master.id)])

    # What is remembered, shown and tried.
    stored = store_spec.submit(account, spec, url)
    tagged = tag_resources.submit(account, spec.name) if view.tag is None or new else None
    if new or master_done:
        tell_neighbours(account, entrance, read_view(account, spec.name))
    if ui:
        publish_ui(account, spec, entrance, place)
    if demo:
        ensure_demo(account, spec.name, url)
    stored.result()
    if tagged:
        tagged.result()


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
