"""Reading a cluster as a whole: the view, the checks before a run, the report after it."""

from dataclasses import replace

from blocks.accounts import QingCloudAccount
from blocks.notifications import open_service
from clients.own_address import read_own_address
from domain.cloud.changes import refuse_changes
from domain.cloud.inventory import Inventory, read_inventory
from domain.cloud.preflight import Choices, check_sources, check_zone, preflight
from domain.cluster.api import Node
from domain.kernel.ensured import Ensured
from domain.kernel.errors import ClusterError, InvalidSpec, NotFound
from domain.kernel.names import GROUPS
from domain.observe.cost import rate_of_cluster
from domain.reports.cluster import ClusterReport
from domain.reports.overview import report_cluster
from domain.spec.cluster import Access, ClusterSpec, changed
from domain.spec.prices import Prices
from tasks.control_plane import api_url, find_spec, node_versions
from tasks.credentials import find_credentials, read_credentials, say_missing
from tasks.installers import installer_files
from tasks.steps import run_logger, step
from tasks.workloads import ui_answers

ANYBODY = ("0.0.0.0/0",)


def check_account(account: QingCloudAccount) -> None:
    """Make sure that the account answers for its zone, before anything else is asked of it.

    Raises:
        Unreachable: nothing answers at the endpoint.
        AccessDenied: key or secret is wrong.
        InvalidSpec: the zone is not active.
    """
    with account.client() as cloud:
        check_zone(cloud)


def read_view(account: QingCloudAccount, cluster: str) -> Inventory:
    """Read what is there of a cluster. Raises `NameTaken` where something does not fit."""
    with account.client() as cloud:
        return read_inventory(cloud, cluster)


def need_cluster(account: QingCloudAccount, cluster: str) -> Inventory:
    """Read a cluster that must exist.

    Raises:
        NotFound: nothing carries its names in the account's zone.
    """
    view = read_view(account, cluster)
    if view.vpc is None and not view.instances:
        raise NotFound(
            f"there is no cluster {cluster} in zone {account.zone}; "
            f"make it with: python -m flows.provision --name {cluster}"
        )
    return view


def stored_spec(account: QingCloudAccount, view: Inventory) -> ClusterSpec | None:
    """What was asked last, whichever public port its API is on.

    Raises:
        InvalidSpec: what is stored there is not understood.
    """
    ports = {
        forward.spec.public_port for forward in view.forwards if forward.spec.name.endswith(".api")
    }
    for port in sorted(ports):
        if spec := find_spec(account, view, port):
            return spec
    return None


def spec_or_guess(account: QingCloudAccount, view: Inventory) -> ClusterSpec:
    """What was asked last, or, where the cluster cannot tell it, what its names and ports tell.

    Enough to look, and to find the way in; whoever changes the cluster must not write it down.
    """
    try:
        if spec := stored_spec(account, view):
            return spec
    except InvalidSpec as error:
        run_logger().warning("%s", error)
    ports = {
        forward.spec.name.rpartition(".")[2] + "_port": forward.spec.public_port
        for forward in view.forwards
    }
    known = {name: port for name, port in ports.items() if name in Access.model_fields}
    return changed(ClusterSpec(name=view.name), {"access": known})


def need_spec(account: QingCloudAccount, view: Inventory) -> ClusterSpec:
    """What was asked last, of a cluster that must tell it.

    Raises:
        InvalidSpec: what is stored there is not understood.
        NotFound: it does not answer, or is not finished yet.
        CredentialsMissing, BeingTornDown: why it cannot be asked.
    """
    if spec := stored_spec(account, view):
        return spec
    read_credentials(account, view.name)
    raise NotFound(
        f"cluster {view.name} does not answer, or is not finished yet; "
        f"finish it with: python -m flows.provision --name {view.name}"
    )


def with_sources(account: QingCloudAccount, spec: ClusterSpec) -> ClusterSpec:
    """Open a cluster that costs nothing to anybody, where nothing was said about sources."""
    if spec.access.allowed_cidrs or account.bills:
        return spec
    return changed(spec, {"access": {"allowed_cidrs": ANYBODY}})


def check_changes(
    account: QingCloudAccount, view: Inventory, before: ClusterSpec, wanted: ClusterSpec
) -> None:
    """Refuse what cannot be changed on a cluster that exists. Raises `InvalidSpec`."""
    running: frozenset[str] = frozenset()
    if before.kubernetes.version != wanted.kubernetes.version:
        url = api_url(view.public_address, before.access.api_port)
        running = node_versions(account, view.name, url)
    refuse_changes(before, wanted, view, running)


def check_services(spec: ClusterSpec, stored: ClusterSpec | None) -> tuple[str, ...]:
    """Make sure that people can be told of alarms: of every service a block is saved, filled in.

    Args:
        stored: what was asked before. Services that stand there already are only told of, for a
            run that mends a cluster does not wait for a robot.

    Returns:
        what to tell of services that were asked for before.

    Raises:
        InvalidSpec: nobody could be told through a service that is asked for now.
    """
    known = stored.notifications.services if stored else ()
    wrong: list[str] = []
    told: list[str] = []
    for service in spec.notifications.services:
        try:
            open_service(service)
        except InvalidSpec as error:
            if service in known:
                told.append(f"nobody is told of alarms through {service}: {error}")
            else:
                wrong.append(f"{service}: {error}")
    if wrong:
        raise InvalidSpec(f"notifications.services: {'; '.join(wrong)}")
    return tuple(told)


def check(account: QingCloudAccount, spec: ClusterSpec, view: Inventory) -> Choices:
    """Check a description against the cloud; reads only, raises as `preflight` does.

    Raises:
        BadRequest: a file that machines are installed with is missing from this installation.
    """
    installer_files()
    with account.client() as cloud:
        choices = preflight(cloud, spec, view, bills=account.bills)
    check_sources(spec.access.allowed_cidrs, read_own_address(account.endpoint))
    return choices


@step("checks before anything is made")
def check_spec(account: QingCloudAccount, spec: ClusterSpec, view: Inventory) -> Ensured[Choices]:
    choices = check(account, spec, view)
    images = ", ".join(sorted({choices.images[group].name for group in GROUPS}))
    return Ensured(choices, f"zone {account.zone}, image {images}")


def read_report(
    account: QingCloudAccount,
    view: Inventory,
    access: Access,
    prices: Prices | None = None,
) -> ClusterReport:
    """Report a cluster as it is now; what does not answer is reported as not ready.

    Args:
        prices: what it costs is reported too where these are given.
    """
    nodes: tuple[Node, ...] = ()
    pods: dict[str, int] = {}
    api_ready = ui_ready = False
    credentials = find_credentials(account, view.name)
    if credentials and view.public_address:
        try:
            with credentials.client(api_url(view.public_address, access.api_port)) as api:
                api_ready = api.is_ready()
                if api_ready:
                    nodes, pods = tuple(api.list_nodes()), dict(api.count_workload_pods())
        except ClusterError as error:
            run_logger().warning("the cluster's API: %s", error)
        if api_ready:
            url = api_url(view.public_address, access.ui_port)
            ui_ready = ui_answers(account, view.name, url)
    report = report_cluster(
        account.zone, view, access, nodes, pods, api_ready=api_ready, ui_ready=ui_ready
    )
    if credentials is None and view.instances:
        report = replace(report, trouble=say_missing(account, view.name))
        run_logger().warning("%s", report.trouble)
    return replace(report, cost=rate_of_cluster(view, prices)) if prices else report
