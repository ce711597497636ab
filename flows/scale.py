"""Bring a group of machines to a count: `python -m flows.scale`."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter
from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.accounts import QingCloudAccount
from domain.cloud import Instance
from domain.cost import price_plan
from domain.names import NODES, node_name
from domain.planning import plan_scale
from domain.report import ClusterReport
from domain.scaling import check_count, choose_leaving
from domain.spec import ClusterSpec
from domain.view import ClusterView
from flows._command import YES, Common, cluster_name, make_app, run, session
from flows._nodes import (
    MOST_AT_ONCE,
    entrance_to,
    install_nodes,
    join_nodes,
    login_users,
    place_of,
    tell_neighbours,
)
from flows._terminal import show_report
from tasks.control_plane import api_url, ready_nodes, store_spec, workload_pods
from tasks.credentials import ensure_credentials
from tasks.machines import ensure_keypair, ensure_machines
from tasks.network import ensure_machine_group, ensure_vxnets
from tasks.overview import (
    check_spec,
    need_cluster,
    read_report,
    read_view,
    spec_or_guess,
    with_sources,
)
from tasks.reports import publish_report
from tasks.scaling import drain_node, remove_machine
from tasks.steps import Recorder, listening
from tasks.tags import tag_resources


@flow(
    name="scale",
    flow_run_name="scale {name} {group} to {count}",
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
    with listening(recorder):
        view = need_cluster(account, name)
        spec = with_sources(account, spec_or_guess(account, view))
        check_count(group, count, spec.nodes)
        url = api_url(view.public_address, spec.access.api_port)
        leaving = leaving_machines(account, spec, view, group, count)
        wanted = spec.with_nodes(count)
        if leaving:
            remove(account, wanted, view, url, group, leaving)
        else:
            add(account, wanted, view, url)
        store_spec(account, wanted, url)
    report = read_report(account, read_view(account, name), spec.access, spec.prices)
    publish_report(report, recorder.timeline(f"scale {name} {group} to {count}"))
    return report


def leaving_machines(
    account: QingCloudAccount, spec: ClusterSpec, view: ClusterView, group: str, count: int
) -> tuple[Instance, ...]:
    """The machines that would leave for this count: the emptiest, among equals the newest."""
    machines = view.group(group)
    if count >= len(machines):
        return ()
    pods = workload_pods(account, view.name, api_url(view.public_address, spec.access.api_port))
    return choose_leaving(group, machines, count, pods)


def add(account: QingCloudAccount, spec: ClusterSpec, view: ClusterView, url: str) -> None:
    """Start what is missing, install and join it; finishes machines of an earlier run, too."""
    choices = check_spec(account, spec, view)
    credentials = ensure_credentials(account, view)
    keypair = ensure_keypair(account, spec, credentials)
    security_group = ensure_machine_group(account, spec)
    assert view.vpc is not None
    vxnets = ensure_vxnets(account, spec, view.vpc, spec.masters.count + spec.nodes.count)
    image = choices.images[NODES].id
    nodes = ensure_machines(account, spec, NODES, image, vxnets, keypair, security_group)
    view = read_view(account, spec.name)
    ready = ready_nodes(account, view, url)
    new = [node for node in nodes if node_name(NODES, node.id) not in ready]
    entrance = entrance_to(spec, view, view.public_address, login_users(choices))
    installed = install_nodes(account, spec, entrance, new, place_of(view))
    join_nodes(account, spec, entrance, installed, place_of(view))
    if new:
        tag_resources(account, spec.name)
        tell_neighbours(account, entrance, view)


def remove(
    account: QingCloudAccount,
    spec: ClusterSpec,
    view: ClusterView,
    url: str,
    group: str,
    leaving: Sequence[Instance],
) -> None:
    """Empty and remove machines, one after the other, so that pods find a place in between."""
    for machine in leaving:
        drain_node(account, spec.name, url, group, machine)
        remove_machine(account, spec.name, url, group, machine)
    choices = check_spec(account, spec, view)
    after = read_view(account, spec.name)
    entrance = entrance_to(spec, after, after.public_address, login_users(choices))
    tell_neighbours(account, entrance, after)


app = make_app("scale", "Bring a group of machines to a count.")


@app.default
def main(
    *,
    count: Annotated[int, Parameter(help="How many machines the group shall have")],
    group: Annotated[str, Parameter(help="The group")] = NODES,
    yes: YES = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Add machines to a group, or empty and remove some of them."""
    name = cluster_name(common)
    with session(common) as opened:
        account = opened.account
        view = need_cluster(account, name)
        spec = with_sources(account, spec_or_guess(account, view))
        check_count(group, count, spec.nodes)
        if account.bills and count != len(view.group(group)):
            leaving = [m.id for m in leaving_machines(account, spec, view, group, count)]
            planned = price_plan(plan_scale(view, group, count, leaving), view, spec)
            opened.agree(planned, f"Do this in zone {account.zone}?", yes=yes)
        report = scale(account, count, name, group)
    show_report(report)
    opened.answer(report)


if __name__ == "__main__":
    run(app)
