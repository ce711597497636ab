"""Tasks of one collection: ask the cluster, the cloud and the machines, and keep what they say."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from blocks.accounts import QingCloudAccount
from blocks.monitoring import open_samples
from domain.cloud.inventory import Inventory
from domain.cloud.records import Instance
from domain.kernel.ensured import Ensured
from domain.kernel.errors import ClusterError, NotFound
from domain.observe.metrics import cloud as cloud_metrics
from domain.observe.metrics.inventory import add_balancer, read_partial_inventory
from domain.observe.metrics.load import load_samples
from domain.observe.metrics.places import places_of
from domain.observe.metrics.records import Collected, Gap, Sample, Window
from domain.observe.metrics.scripts import WITHOUT_AGENT, Script, scripts_for
from domain.spec.cluster import DAEMON_PODS, ClusterSpec
from domain.spec.metrics import PODS
from tasks.control_plane import open_api
from tasks.credentials import read_credentials
from tasks.shells import Entrance
from tasks.steps import run_logger, step
from tasks.visits import Visit, measure_machines, nothing_measured

MOST_MACHINES_FOR_REQUESTS = 500
"""Above it what pods request is read only as often as the cloud is asked: it takes objects."""

RECENT = timedelta(minutes=15)
"""How old a sample may be to stand for now: two readings of the cloud, and some delay."""

MEMORY = "memory"
"""What the cloud knows only with its guest agent in the machine; without, a script measures it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Where samples went, or why they could not be kept: then `database` is empty."""

    database: str
    reason: str = ""


def need_sight(account: QingCloudAccount, name: str) -> Inventory:
    """Read the machines of a cluster that must exist. Raises `NotFound` where it does not."""
    with account.client() as cloud:
        return read_partial_inventory(cloud, name)


def need_billed(account: QingCloudAccount, view: Inventory) -> Inventory:
    """Add to a sight what else is billed."""
    with account.client() as cloud:
        return add_balancer(cloud, view)


def cloud_is_due(view: Inventory, now: datetime) -> bool:
    """Whether five minutes have passed since the cloud's monitoring was asked.

    It is asked at once for a machine that has come since, of which there is neither a number nor a
    gap. Without the database, which remembers all that, it is each fifth minute of the hour.
    """
    since = now - cloud_metrics.STEP + timedelta(seconds=10)  # a schedule is never quite on time
    try:
        with open_samples() as samples:
            if not samples.latest(Window(view.name, since, now, (cloud_metrics.ASKED,))):
                return True
            lately = Window(view.name, now - RECENT, now, (MEMORY,))
            known = {sample.machine for sample in samples.latest(lately)}
            known |= {trouble.machine for trouble in samples.troubles(lately)}
            places = places_of(view)
            return any(places[machine.id][1] not in known for machine in _running(view))
    except ClusterError:
        return now.minute % (cloud_metrics.STEP.seconds // 60) == 0


@step("load of {view.name}")
def collect_load(
    account: QingCloudAccount, view: Inventory, url: str, now: datetime, with_requests: bool
) -> Ensured[Collected]:
    """Ask the cluster's API for pods, requests and the nodes' conditions."""
    try:
        with open_api(account, view.name, url) as api:
            load = api.read_load(with_requests=with_requests)
    except ClusterError as error:
        gap = Gap(now, view.name, "", "", PODS, f"the cluster's API does not answer: {error}")
        return _said(Collected(gaps=(gap,)))
    nodes = {node.name for node in load.nodes}
    missing = (
        Gap(now, view.name, group, name, PODS, "the machine is no node of the cluster")
        for group, name in places_of(view).values()
        if name not in nodes
    )
    samples = load_samples(load, view.name, now, DAEMON_PODS)
    return _said(Collected(tuple(samples), tuple(missing)))


@step("the cloud's monitoring of {view.name}")
def collect_cloud(account: QingCloudAccount, view: Inventory, now: datetime) -> Ensured[Collected]:
    """Ask the cloud for CPU, memory, disk and network of all machines that run."""
    readings: Sequence[cloud_metrics.Reading] = ()
    gaps: tuple[Gap, ...] = ()
    try:
        with account.client() as cloud:
            since = now - cloud_metrics.LOOK_BACK
            readings = cloud.read_machine_metrics(_running(view), since, now)
    except ClusterError as error:
        gaps = (Gap(now, view.name, "", "", "cpu", f"the cloud's monitoring: {error}"),)
    # Noted when it failed, too: a cloud that refuses is not asked each minute.
    asked = Sample(now, view.name, "", "", cloud_metrics.ASKED, float(len(readings)), "values")
    samples = cloud_metrics.cloud_samples(readings, view.name, places_of(view))
    return _said(Collected((*samples, asked), gaps))


@step("scripts on the machines of {spec.name}")
def collect_scripts(
    account: QingCloudAccount,
    spec: ClusterSpec,
    view: Inventory,
    without_agent: Collection[str],
    now: datetime,
) -> Ensured[Collected]:
    """Run the custom monitors, and what the cloud does not know of some machines.

    Args:
        without_agent: ids of the machines whose memory and disk the cloud does not know.
    """
    visits = [
        Visit(group, machine, scripts)
        for machine in view.instances
        for group in (view.group_of(machine),)
        if (scripts := _scripts(spec, group, without_agent=machine.id in without_agent))
    ]
    collected = Collected()
    for visit in visits:
        if not visit.machine.is_up:
            state = visit.machine.transition or visit.machine.status
            reason = f"the machine is not running but {state}"
            collected += nothing_measured(spec.name, [visit], now, reason)
    running = [visit for visit in visits if visit.machine.is_up]
    if running:
        try:
            credentials = read_credentials(account, spec.name).credentials()
            entrance = _entrance(account, spec, view)
            collected += measure_machines(credentials, entrance, running, now)
        except ClusterError as error:
            collected += nothing_measured(spec.name, running, now, str(error))
    return _said(collected) if visits else Ensured(collected, "none to run")


def _scripts(spec: ClusterSpec, group: str, *, without_agent: bool) -> tuple[Script, ...]:
    custom = scripts_for(group, spec.monitoring.custom)
    return (*WITHOUT_AGENT, *custom) if without_agent else custom


@step("samples of {cluster}")
def keep_samples(
    cluster: str, collected: Collected, now: datetime, retention_days: int
) -> Ensured[Kept]:
    """Write samples and gaps, and delete what is too old.

    A database that is locked or gone loses this minute and no more: nothing waits for it.
    """
    try:
        with open_samples() as samples:
            samples.add(collected.samples, collected.gaps)
            old = samples.prune(cluster, now - timedelta(days=retention_days))
            words = f", {old} old ones deleted" if old else ""
            return Ensured(Kept(samples.where), f"kept in {samples.where}{words}")
    except ClusterError as error:
        return Ensured(Kept("", str(error)), f"not kept: {error}", failed=True)


def silent_machines(view: Inventory, collected: Collected) -> frozenset[str]:
    """Ids of the machines of whose memory a reading of the cloud says nothing."""
    known = {sample.machine for sample in collected.samples if sample.metric == MEMORY}
    places = places_of(view)
    return frozenset(one.id for one in _running(view) if places[one.id][1] not in known)


def recent_samples(cluster: str, now: datetime) -> list[Sample]:
    """The youngest sample of each series; none where the database does not answer.

    Machines that have left in the last minutes are among them.
    """
    try:
        with open_samples() as samples:
            return samples.latest(Window(cluster, now - RECENT, now + timedelta(seconds=1)))
    except ClusterError as error:
        run_logger().warning("%s", error)
        return []


def read_history(cluster: str, now: datetime) -> dict[str, list[float]]:
    """Pods of the last hour by machine, oldest first; empty where the database does not answer."""
    try:
        with open_samples() as samples:
            window = Window(cluster, now - timedelta(hours=1), now + timedelta(seconds=1), (PODS,))
            frame = samples.frame(window)
    except ClusterError:
        return {}
    return {
        str(machine): [float(value) for value in values]
        for machine, values in frame.groupby("machine")["value"]
    }


def _entrance(account: QingCloudAccount, spec: ClusterSpec, view: Inventory) -> Entrance:
    """The way in, with the account that each group's image logs in with."""
    if not view.masters or not view.public_address:
        raise NotFound(f"cluster {view.name} has no master or no public address to enter by")
    images = {view.group_of(machine): machine.image_id for machine in view.instances}
    with account.client() as cloud:
        found = {image_id: cloud.find_image(image_id) for image_id in set(images.values())}
    users = {group: image.login_user for group, one in images.items() if (image := found[one])}
    return Entrance(spec.name, view.public_address, spec.access.ssh_port, view.masters[0], users)


def _running(view: Inventory) -> list[Instance]:
    return [machine for machine in view.instances if machine.is_up]


def _said(collected: Collected) -> Ensured[Collected]:
    words = f"{len(collected.samples)} samples"
    if collected.gaps:
        words += f", {len(collected.gaps)} gaps, such as: {collected.gaps[0].reason}"
    return Ensured(collected, words)
