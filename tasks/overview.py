"""Reading a cluster as a whole: what it remembers, the checks before a run, the report after it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from blocks.accounts import QingCloudAccount
from blocks.notifications import open_service
from clients.own_address import read_own_address
from domain.cloud.changes import refuse_changes
from domain.cloud.endpoints import endpoints_of
from domain.cloud.inventory import Inventory
from domain.cloud.preflight import Choices, check_sources, check_zone, preflight
from domain.cluster.api import Node
from domain.kernel.ensured import Ensured
from domain.kernel.errors import ClusterError, InvalidSpec, NotFound
from domain.kernel.names import GROUPS
from domain.observe.cost import rate_of_cluster
from domain.reports.cluster import ClusterReport
from domain.reports.overview import report_cluster
from domain.secrets.vault import describe_missing
from domain.spec.cluster import ClusterSpec, changed, overlay
from tasks.cluster import Cluster
from tasks.control_plane import answers, find_spec, node_versions
from tasks.credentials import need_credentials
from tasks.installers import installer_files
from tasks.steps import run_logger, step
from tasks.workloads import ui_answers

ANYBODY = ("0.0.0.0/0",)


def check_account(cluster: Cluster) -> None:
    """Make sure that the account answers for its zone, before anything else is asked of it.

    Raises:
        Unreachable: nothing answers at the endpoint.
        AccessDenied: key or secret is wrong.
        InvalidSpec: the zone is not active.
    """
    check_zone(cluster.cloud)


def need_cluster(cluster: Cluster) -> Inventory:
    """Read a cluster that must exist.

    Raises:
        NotFound: nothing carries its names in the account's zone.
    """
    seen = cluster.inventory()
    if seen.vpc is None and not seen.instances:
        check_account(cluster)  # a wrong zone has no cluster either, and is the better sentence
        raise NotFound(no_such_cluster(cluster))
    return seen


def no_such_cluster(cluster: Cluster) -> str:
    return (
        f"there is no cluster {cluster.name} in zone {cluster.account.zone}; "
        f"make it with: python -m flows.provision --name {cluster.name}"
    )


def spec_or_guess(cluster: Cluster) -> ClusterSpec:
    """What was asked for last, or, without an answer of the cluster, what names and ports tell.

    Enough to look, and to find the way in; a run that changes the cluster must not store it.
    """
    try:
        if spec := find_spec(cluster):
            return spec
    except InvalidSpec as error:
        run_logger().warning("%s", error)
    endpoints = cluster.endpoints()
    ports = {name: getattr(endpoints, name) for name in ("api_port", "ui_port", "ssh_port")}
    access = {name: port for name, port in ports.items() if port}
    return changed(ClusterSpec(name=cluster.name), {"access": access})


def need_spec(cluster: Cluster) -> ClusterSpec:
    """What was asked for last, of a cluster that must answer.

    Raises:
        InvalidSpec: what is stored there is not understood.
        NotFound: it does not answer, or is not finished yet.
        CredentialsMissing, BeingTornDown: why it cannot be asked.
    """
    if spec := find_spec(cluster):
        cluster.credentials()
        return spec
    cluster.credentials()
    raise NotFound(
        f"cluster {cluster.name} does not answer, or is not finished yet; "
        f"finish it with: python -m flows.provision --name {cluster.name}"
    )


def with_sources(account: QingCloudAccount, spec: ClusterSpec) -> ClusterSpec:
    """Open a cluster that costs nothing to any source, where the description names none."""
    if spec.access.allowed_cidrs or account.bills:
        return spec
    return changed(spec, {"access": {"allowed_cidrs": ANYBODY}})


def wanted_spec(
    cluster: Cluster, stored: ClusterSpec | None, document: Mapping[str, Any]
) -> ClusterSpec:
    """What was asked for now, over what was asked for before, over the defaults.

    A cluster that exists but does not answer keeps the size that it has, and no count is lowered.

    Args:
        stored: what was asked for before; None where the cluster does not answer.
        document: keys as in the YAML file.

    Raises:
        InvalidSpec: a value is wrong, or cannot be changed on a cluster that exists.
        CredentialsMissing: machines exist, and cannot be reached from here.
    """
    nodes = len(cluster.inventory().nodes)
    if stored is None:
        need_credentials(cluster)
        if nodes:
            kept = {"nodes": {"count": nodes, "maximum": max(10, nodes)}}
            document = overlay(kept, document)
    spec = changed(stored or ClusterSpec(name=cluster.name), document)
    if stored:
        check_changes(cluster, stored, spec)
    spec = with_sources(cluster.account, spec)
    if nodes <= spec.nodes.count:
        return spec
    return changed(spec, {"nodes": {"count": nodes, "maximum": max(nodes, spec.nodes.maximum)}})


def check_changes(cluster: Cluster, before: ClusterSpec, wanted: ClusterSpec) -> None:
    """Refuse what cannot be changed on a cluster that exists. Raises `InvalidSpec`."""
    running: frozenset[str] = frozenset()
    if before.kubernetes.version != wanted.kubernetes.version:
        running = node_versions(cluster)
    refuse_changes(before, wanted, cluster.inventory(), running)


def check_services(spec: ClusterSpec, stored: ClusterSpec | None) -> tuple[str, ...]:
    """Make sure that alarms can be delivered: of every service a block is saved, filled in.

    Args:
        stored: what was asked for before. Of its services a warning is enough, for a run that
            repairs a cluster does not wait for a robot.

    Returns:
        Warnings about services that were asked for before.

    Raises:
        InvalidSpec: a service that is asked for now could not deliver anything.
    """
    known = stored.notifications.services if stored else ()
    wrong: list[str] = []
    warnings: list[str] = []
    for service in spec.notifications.services:
        try:
            open_service(service)
        except InvalidSpec as error:
            if service in known:
                warnings.append(f"nobody is told of alarms through {service}: {error}")
            else:
                wrong.append(f"{service}: {error}")
    if wrong:
        raise InvalidSpec(f"notifications.services: {'; '.join(wrong)}")
    return tuple(warnings)


def check(cluster: Cluster) -> Choices:
    """Check the description against the cloud; reads only, raises as `preflight` does.

    Raises:
        BadRequest: a file that machines are installed with is missing from this installation.
    """
    installer_files()
    spec, account = cluster.spec, cluster.account
    choices = preflight(cluster.cloud, spec, cluster.inventory(), bills=account.bills)
    check_sources(spec.access.allowed_cidrs, read_own_address(account.endpoint))
    return choices


@step("checks before anything is made")
def check_spec(cluster: Cluster) -> Ensured[Choices]:
    choices = check(cluster)
    names = ", ".join(sorted({choices.images[group].name for group in GROUPS}))
    return Ensured(choices, f"zone {cluster.account.zone}, image {names}")


def read_report(cluster: Cluster, spec: ClusterSpec) -> ClusterReport:
    """Report a cluster as it is now; what does not answer is reported as not ready."""
    inventory = cluster.inventory()
    cluster = cluster.at(endpoints_of(inventory))
    nodes: tuple[Node, ...] = ()
    pods: Mapping[str, int] = {}
    api_ready = answers(cluster)
    try:
        if api_ready:
            nodes = tuple(cluster.api().list_nodes())
            pods = cluster.api().count_workload_pods()
    except ClusterError as error:
        run_logger().warning("the cluster's API: %s", error)
    report = report_cluster(
        cluster.account.zone,
        inventory,
        spec.access,
        nodes,
        pods,
        api_ready=api_ready,
        ui_ready=api_ready and ui_answers(cluster),
    )
    if inventory.instances and cluster.find_credentials() is None:
        report = replace(report, trouble=describe_missing(cluster.vault, cluster.name))
        run_logger().warning("%s", report.trouble)
    return replace(report, cost=rate_of_cluster(inventory, spec.prices))
