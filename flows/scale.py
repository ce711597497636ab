"""Bring a group of machines to a count: `python -m flows.scale`."""

from typing import Annotated

from cyclopts import Parameter
from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.accounts import QingCloudAccount
from domain.cloud.inventory import Inventory
from domain.cloud.planning import plan_scale
from domain.cloud.records import Instance
from domain.kernel.names import NODES, node_name
from domain.node.remove import check_count, check_hand_made, choose_leaving
from domain.observe.cost import price_plan
from domain.reports.cluster import ClusterReport
from domain.spec.cluster import ClusterSpec
from flows._command import (
    YES,
    Common,
    Session,
    cluster_name,
    make_app,
    run,
    session,
    telling,
)
from flows._nodes import MOST_AT_ONCE
from flows._numbers import whole_number
from flows._run_log import tell_errors_in_one_sentence
from flows._scaling import scale_in, scale_out
from flows._terminal import show_report
from tasks.control_plane import api_url, ready_nodes, store_spec, workload_pods
from tasks.credentials import only_run, read_credentials
from tasks.overview import (
    need_cluster,
    need_spec,
    read_report,
    read_view,
    with_sources,
)
from tasks.reports import publish_report
from tasks.steps import Recorder, listening


@flow(
    name="scale",
    flow_run_name="scale {name} {group} to {count}",
    on_running=[tell_errors_in_one_sentence],
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def scale(
    account: QingCloudAccount, count: int, name: str = "demo", group: str = NODES
) -> ClusterReport:
    """Add or remove machines until the group has this many.

    Nodes are emptied one after the other before their machines go; if one cannot be emptied it is
    given back, and the run ends there.

    Args:
        account: The account that the cluster is in.
        count: How many machines the group shall have.
        name: The cluster's name.
        group: The group of machines.
    """
    recorder = Recorder()
    with listening(recorder), only_run(account, name):
        view = need_cluster(account, name)
        spec = with_sources(account, need_spec(account, view))
        check_count(group, count, spec.nodes)
        url = api_url(view.public_address, spec.access.api_port)
        wanted = spec.with_nodes(count)
        if leaving := leaving_machines(account, spec, view, group, count):
            scale_in(account, wanted, view, url, group, leaving)
        else:
            scale_out(account, wanted, view, url)
        store_spec(account, wanted, url)
    report = read_report(account, read_view(account, name), spec.access, spec.prices)
    publish_report(report, recorder.timeline(f"scale {name} {group} to {count}"))
    return report


def leaving_machines(
    account: QingCloudAccount, spec: ClusterSpec, view: Inventory, group: str, count: int
) -> tuple[Instance, ...]:
    """The machines that would leave for this count: the emptiest, among equals the newest."""
    machines = view.group(group)
    if count >= len(machines):
        return ()
    known = read_credentials(account, view.name).host_keys
    check_hand_made(
        group, [m.id for m in machines if m.id not in known and not view.has_our_key(m)]
    )
    pods = workload_pods(account, view.name, api_url(view.public_address, spec.access.api_port))
    return choose_leaving(group, machines, count, pods)


def tell_idle(opened: Session, spec: ClusterSpec, before: Inventory) -> None:
    """Say which machines of a run that did not end well are billed, and no Ready nodes.

    Args:
        before: what was there before the run: where the cluster does not answer, only machines
            that are new since then are named.
    """
    view = read_view(opened.account, spec.name)
    url = api_url(view.public_address, spec.access.api_port)
    ready = ready_nodes(opened.account, view, url)
    used = (
        {m.id for m in view.nodes if node_name(NODES, m.id) in ready}
        if ready
        else {m.id for m in before.nodes}
    )
    idle = [f"machine {m.id}" for m in view.nodes if m.id not in used]
    if idle:
        opened.say(
            f"What was not finished stays, and is billed: {', '.join(idle)}. Run the same "
            f"command again to go on, or take it away with: python -m flows.scale "
            f"--name {spec.name} --count {len(view.nodes) - len(idle)}"
        )


app = make_app("scale", "Add machines to a group, or drain and remove some.")


@app.default
def main(
    *,
    count: Annotated[int, Parameter(help="Number of machines wanted", converter=whole_number)],
    group: Annotated[str, Parameter(help="Machine group")] = NODES,
    yes: YES = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Add machines to a group, or empty and remove some of them."""
    name = cluster_name(common)
    with session(common) as opened:
        account = opened.account
        view = need_cluster(account, name)
        spec = with_sources(account, need_spec(account, view))
        check_count(group, count, spec.nodes)
        if account.bills and count != len(view.group(group)):
            leaving = [m.id for m in leaving_machines(account, spec, view, group, count)]
            planned = price_plan(plan_scale(view, group, count, leaving), view, spec)
            opened.agree(planned, f"Do this in zone {account.zone}?", yes=yes)
        with telling(lambda: tell_idle(opened, spec, view)):
            report = scale(account, count, name, group)
    show_report(report)
    opened.answer(report)


if __name__ == "__main__":
    run(app)
