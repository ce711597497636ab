"""A cluster as a whole: its description, the checks before a run, the report after it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from blocks.accounts import QingCloudAccount
from blocks.notifications import open_service
from clients.own_address import read_own_address
from domain.cloud.changes import refuse_changes
from domain.cloud.endpoints import endpoints_of
from domain.cloud.inventory import Inventory
from domain.cloud.preflight import (
    Choices,
    catalogue_read_meanwhile,
    check_sources,
    check_zone,
    preflight,
)
from domain.cluster.api import Node
from domain.cluster.join_tokens import own_tokens
from domain.kernel.ensured import Ensured
from domain.kernel.errors import ClusterError, InvalidSpec, NotFound
from domain.kernel.names import MASTERS, NODES
from domain.node.serving import Standing, find_standings, patience_of
from domain.observe.cost import rate_of_cluster
from domain.reports.cluster import ClusterReport
from domain.reports.overview import report_cluster
from domain.reports.unfinished import InCluster, Unfinished, find_unfinished
from domain.secrets.vault import describe_missing
from domain.spec.cluster import ClusterSpec, changed, overlay
from domain.spec.groups import MASTER_COUNTS
from tasks.certificates import read_readable
from tasks.claims import has_gone
from tasks.cluster import Cluster
from tasks.control_plane import answers, find_spec, node_versions
from tasks.credentials import need_credentials
from tasks.installers import installer_files
from tasks.steps import run_logger, step
from tasks.workloads import ui_answers

ANY_SOURCE = ("0.0.0.0/0",)


def check_account(cluster: Cluster) -> None:
    """Check that the account works in its zone, before any other call.

    Raises:
        Unreachable: nothing answers at the endpoint.
        AccessDenied: key or secret is invalid.
        InvalidSpec: the zone is not active.
    """
    check_zone(cluster.cloud)


def need_cluster(cluster: Cluster) -> Inventory:
    """Read a cluster that must exist.

    Raises:
        NotFound: no resource in the account's zone has its names.
    """
    seen = cluster.inventory()
    if seen.vpc is None and not seen.instances:
        check_account(cluster)  # a wrong zone has no cluster either, and its message helps more
        raise NotFound(no_such_cluster(cluster))
    return seen


def no_such_cluster(cluster: Cluster) -> str:
    return (
        f"there is no cluster {cluster.name} in zone {cluster.account.zone}; "
        f"create it with: python -m flows.provision --name {cluster.name}"
    )


def spec_or_guess(cluster: Cluster) -> ClusterSpec:
    """The stored description, or, without an answer of the cluster, one guessed from its ports.

    A guess is enough to read and to log in; a run that changes the cluster must not store it.
    """
    return _find_valid_spec(cluster) or _guess(cluster)


def _find_valid_spec(cluster: Cluster) -> ClusterSpec | None:
    try:
        return find_spec(cluster)
    except InvalidSpec as error:
        run_logger().warning("%s", error)
        return None


def _guess(cluster: Cluster) -> ClusterSpec:
    endpoints = cluster.endpoints()
    ports = {name: getattr(endpoints, name) for name in ("api_port", "ui_port", "ssh_port")}
    access = {name: port for name, port in ports.items() if port}
    return changed(ClusterSpec(name=cluster.name), {"access": access})


def need_spec(cluster: Cluster) -> ClusterSpec:
    """Read the stored description of a cluster that must answer.

    Raises:
        InvalidSpec: the stored description is not valid.
        NotFound: the cluster does not answer, or is not finished yet.
        CredentialsMissing, BeingTornDown: its API cannot be used.
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
    """Allow any source where the description names none and the account costs nothing."""
    if spec.access.allowed_cidrs or account.bills:
        return spec
    return changed(spec, {"access": {"allowed_cidrs": ANY_SOURCE}})


def wanted_spec(
    cluster: Cluster, stored: ClusterSpec | None, document: Mapping[str, Any]
) -> ClusterSpec:
    """The wanted description: given values over stored values over defaults.

    An existing cluster that does not answer keeps its size, and no count is lowered.

    Args:
        stored: the stored description; None where the cluster does not answer.
        document: keys as in the YAML file.

    Raises:
        InvalidSpec: a value is invalid, or cannot be changed on an existing cluster.
        CredentialsMissing: machines exist, and cannot be reached from here.
    """
    seen = cluster.inventory()
    if stored is None:
        need_credentials(cluster)
        existing = overlay(adopted_document(seen), existing_groups(seen))
        document = overlay(existing, document)
    spec = changed(stored or ClusterSpec(name=cluster.name), document)
    if stored:
        check_changes(cluster, stored, spec)
    spec = with_sources(cluster.account, spec)
    if stored and stored.masters.count > spec.masters.count:
        spec = spec.with_count(MASTERS, stored.masters.count)
    for group, wanted in spec.node_groups.items():
        fewest = stored.count(group) if stored else len(seen.group(group))
        if fewest > wanted.count:
            most = max(fewest, wanted.maximum)
            spec = spec.with_group(group, {"count": fewest, "maximum": most})
    return spec


def existing_groups(seen: Inventory) -> Mapping[str, Any]:
    """The sizes of the groups of nodes that have machines, as in the YAML file."""
    groups = {
        group: {"count": size, "maximum": max(10, size)}
        for group in seen.groups
        if group != MASTERS and (size := len(seen.group(group)))
    }
    nodes = groups.pop(NODES, None)
    masters = {"count": least_masters(len(seen.control_plane(1)))}
    found = {"groups": groups} | ({"nodes": nodes} if nodes else {})
    return found | ({"masters": masters} if masters["count"] > 1 else {})


def least_masters(existing: int) -> int:
    """The smallest number of masters of which so many may be the rest, after a loss."""
    return next((count for count in MASTER_COUNTS if count >= existing), MASTER_COUNTS[-1])


def adopted_document(seen: Inventory) -> Mapping[str, Any]:
    """The existing resources that an unfinished cluster has begun to use, as in the YAML file."""
    adopted, own = seen.adopted, [vxnet.cidr for vxnet in seen.own_vxnets if vxnet.cidr]
    network: dict[str, Any] = {}
    if adopted.vpc and seen.vpc:
        network = {"vpc": adopted.vpc, "vxnets": adopted.vxnets, "vpc_cidr": seen.vpc.cidr}
        network |= {"first_vxnet": own[0]} if own else {}
    address = {"eip": adopted.eip} if adopted.eip else {}
    parts = {"network": network, "address": address}
    return {name: part for name, part in parts.items() if part}


def check_changes(cluster: Cluster, before: ClusterSpec, wanted: ClusterSpec) -> None:
    """Refuse changes that an existing cluster does not accept. Raises `InvalidSpec`."""
    running: frozenset[str] = frozenset()
    if before.kubernetes.version != wanted.kubernetes.version:
        running = node_versions(cluster)
    refuse_changes(before, wanted, cluster.inventory(), running)


def check_services(spec: ClusterSpec, stored: ClusterSpec | None) -> tuple[str, ...]:
    """Check that alarms can be delivered: every service has a saved and complete block.

    Args:
        stored: the stored description. Its services only cause warnings, because a run that repairs
            a cluster must not depend on a chat robot.

    Returns:
        Warnings about services of the stored description.

    Raises:
        InvalidSpec: a new service could not deliver messages.
    """
    known = stored.notifications.services if stored else ()
    invalid: list[str] = []
    warnings: list[str] = []
    for service in spec.notifications.services:
        try:
            open_service(service)
        except InvalidSpec as error:
            if service in known:
                warnings.append(f"alarms are not delivered through {service}: {error}")
            else:
                invalid.append(f"{service}: {error}")
    if invalid:
        raise InvalidSpec(f"notifications.services: {'; '.join(invalid)}")
    return tuple(warnings)


def check(cluster: Cluster) -> Choices:
    """Check the description against the cloud; reads only, raises as `preflight` does.

    Raises:
        BadRequest: a file of the installers is missing in this installation.
    """
    installer_files()
    spec, account = cluster.spec, cluster.account
    with catalogue_read_meanwhile(cluster.cloud):
        inventory = cluster.inventory()
    choices = preflight(cluster.cloud, spec, inventory, bills=account.bills)
    check_sources(spec.access.allowed_cidrs, read_own_address(account.endpoint))
    return choices


@step("checks before the first change")
def check_spec(cluster: Cluster) -> Ensured[Choices]:
    choices = check(cluster)
    names = ", ".join(sorted({image.name for image in choices.images.values()}))
    return Ensured(choices, f"zone {cluster.account.zone}, image {names}")


def read_status(cluster: Cluster) -> ClusterReport:
    """As `read_report`, with the ends of certificates, what is not finished, and who changes it."""
    stored = _find_valid_spec(cluster)
    report = read_report(cluster, stored or _guess(cluster))
    claim = cluster.claims.find()
    now = claim.holder.describe() if claim and not has_gone(claim.holder) else ""
    found = read_unfinished(cluster, stored, api_ready=report.api.ready, is_changing=bool(now))
    masters = [one for one in cluster.inventory().masters if one.is_up] if report.api.ready else []
    ends = read_readable(cluster, masters)
    return replace(report, unfinished=found, changed_by=now, certificates=ends)


def read_unfinished(
    cluster: Cluster, stored: ClusterSpec | None, *, api_ready: bool, is_changing: bool = False
) -> tuple[Unfinished, ...]:
    """Read what is not finished; sends the cloud no call that a report has not sent.

    Args:
        is_changing: whether a run is under way, whose join token is no remainder.
    """
    in_cluster = None
    with suppress(ClusterError):  # it has stopped answering since
        if api_ready:
            wanted = _sizes(stored) if stored else None
            tokens = () if is_changing else own_tokens(cluster.api())
            in_cluster = InCluster(cluster.api().list_nodes(), wanted, tokens)
    credentials = cluster.find_credentials()
    is_ending = credentials is not None and credentials.ending
    return find_unfinished(cluster.inventory(), in_cluster, is_ending=is_ending)


def _sizes(spec: ClusterSpec) -> Mapping[str, int]:
    return {group: spec.count(group) for group in spec.group_names}


def read_report(cluster: Cluster, spec: ClusterSpec) -> ClusterReport:
    """Report a cluster as it is now; a part that does not answer is reported as not ready."""
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
    seen, standings, now = nodes if nodes else None, dict[str, Standing](), datetime.now(UTC)
    for group in inventory.groups:
        machines = inventory.group(group)
        standings |= find_standings(group, machines, seen, now, patience_of(spec, group))
    report = report_cluster(
        cluster.account.zone,
        inventory,
        spec.access,
        nodes,
        pods,
        standings,
        api_ready=api_ready,
        ui_ready=api_ready and ui_answers(cluster),
    )
    if inventory.instances and cluster.find_credentials() is None:
        report = replace(report, trouble=describe_missing(cluster.vault, cluster.name))
        run_logger().warning("%s", report.trouble)
    return replace(report, cost=rate_of_cluster(inventory, spec.prices))
