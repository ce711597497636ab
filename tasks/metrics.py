"""Steps of one collection: read cluster, cloud and machines, and store the samples."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from blocks.monitoring import open_samples
from domain.cloud.inventory import Machines
from domain.kernel.ensured import Ensured
from domain.kernel.errors import ClusterError
from domain.kernel.names import ClusterId
from domain.observe.metrics import cloud as cloud_metrics
from domain.observe.metrics.load import load_samples
from domain.observe.metrics.places import places_of
from domain.observe.metrics.records import Collected, Gap, Sample, SampleReader, Window
from domain.observe.metrics.scripts import WITHOUT_AGENT, Script, scripts_for
from domain.spec.kubernetes import DAEMON_PODS
from domain.spec.metrics import BILLED_RESOURCES, PODS, QUOTA_NODES
from tasks.cluster import Cluster
from tasks.overview import need_cluster
from tasks.steps import run_logger, step
from tasks.visits import Visit, measure_machines, nothing_measured

HOUR = timedelta(hours=1)

MOST_MACHINES_FOR_REQUESTS = 500
"""With more machines, requests of pods are read only as often as the cloud's monitoring."""

RECENT = timedelta(minutes=15)
"""How old a sample may be to count as present: two readings of the cloud, and some delay."""

MEMORY = "memory"
"""A metric that the cloud has only with its guest agent; without one, a script measures it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The database of the samples, or why they were not stored; `database` is empty then."""

    database: str
    reason: str = ""


def need_machines(cluster: Cluster) -> Machines:
    """Read the machines of a cluster that must exist, in one call.

    Raises:
        NotFound: nothing carries the cluster's names.
    """
    machines = cluster.machines()
    if not machines.instances:
        cluster.look_again()
        need_cluster(cluster)
    return machines


@dataclass(frozen=True, slots=True)
class Due:
    """Which reads of the cloud a collection sends besides that of the machines.

    Calls are scarce: the cloud's monitoring has a value every five minutes; the quota changes
    seldom and is read in another minute; the other resources are read once an hour.
    """

    monitoring: bool
    quota: bool
    inventory: bool


def what_is_due(cluster: ClusterId, machines: Machines, now: datetime) -> Due:
    """Decide by the stored samples, so that any process can do the next collection.

    The cloud's monitoring is read at once when there is a new machine, of which there is neither a
    sample nor a gap. Without the database it is read in every fifth minute of the hour.
    """
    lately = now - cloud_metrics.STEP + timedelta(seconds=10)  # schedules are late by some seconds
    try:
        with open_samples(cluster) as samples:

            def is_older(metric: str, since: datetime) -> bool:
                return not samples.latest(Window(since, now, (metric,)))

            monitoring = is_older(cloud_metrics.ASKED, lately) or _has_unknown(
                machines, samples, now
            )
            quota = not monitoring and is_older(QUOTA_NODES.name, lately)
            inventory = not (monitoring or quota) and is_older(BILLED_RESOURCES.name, now - HOUR)
            return Due(monitoring, quota, inventory)
    except ClusterError:
        return Due(now.minute % (cloud_metrics.STEP.seconds // 60) == 0, False, False)


def _has_unknown(machines: Machines, samples: SampleReader, now: datetime) -> bool:
    lately = Window(now - RECENT, now, (MEMORY,))
    known = {sample.machine for sample in samples.latest(lately)}
    known |= {trouble.machine for trouble in samples.troubles(lately)}
    places = places_of(machines)
    return any(places[machine.id][1] not in known for machine in machines.running)


@step("load of {cluster.name}")
def collect_load(
    cluster: Cluster, machines: Machines, now: datetime, with_requests: bool
) -> Ensured[Collected]:
    """Read pods, requests and the nodes' conditions from the cluster's API."""
    try:
        load = cluster.api().read_load(with_requests=with_requests)
    except ClusterError as error:
        gap = Gap(now, cluster.name, "", "", PODS, f"the cluster's API does not answer: {error}")
        return _described(Collected(gaps=(gap,)))
    nodes = {node.name for node in load.nodes}
    missing = (
        Gap(now, cluster.name, group, name, PODS, "the machine is not a node of the cluster")
        for group, name in places_of(machines).values()
        if name not in nodes
    )
    samples = load_samples(load, cluster.name, now, DAEMON_PODS)
    return _described(Collected(tuple(samples), tuple(missing)))


@step("the cloud's monitoring of {cluster.name}")
def collect_cloud(cluster: Cluster, machines: Machines, now: datetime) -> Ensured[Collected]:
    """Read CPU, memory, disk and network of all running machines from the cloud."""
    readings: Sequence[cloud_metrics.Reading] = ()
    gaps: tuple[Gap, ...] = ()
    try:
        since = now - cloud_metrics.LOOK_BACK
        readings = cluster.monitoring.read_machine_metrics(machines.running, since, now)
    except ClusterError as error:
        gaps = (Gap(now, cluster.name, "", "", "cpu", f"the cloud's monitoring: {error}"),)
    # Also after a failure: a cloud that refuses is not asked every minute.
    asked = Sample(now, cluster.name, "", "", cloud_metrics.ASKED, float(len(readings)), "values")
    samples = cloud_metrics.cloud_samples(readings, cluster.name, places_of(machines))
    return _described(Collected((*samples, asked), gaps))


@step("scripts on the machines of {cluster.name}")
def collect_scripts(
    cluster: Cluster, machines: Machines, without_agent: Collection[str], now: datetime
) -> Ensured[Collected]:
    """Run the custom monitors, and scripts for the metrics that the cloud does not have.

    Args:
        without_agent: ids of the machines whose memory and disk the cloud does not measure.
    """
    visits = [
        Visit(group, machine, scripts)
        for machine in machines.instances
        for group in (machines.group_of(machine),)
        if (scripts := _scripts(cluster, group, without_agent=machine.id in without_agent))
    ]
    collected = Collected()
    for visit in visits:
        if not visit.machine.is_up:
            state = visit.machine.transition or visit.machine.status
            reason = f"the machine is not running but {state}"
            collected += nothing_measured(cluster.name, [visit], now, reason)
    running = [visit for visit in visits if visit.machine.is_up]
    if running:
        try:
            collected += measure_machines(cluster, running, now)
        except ClusterError as error:
            collected += nothing_measured(cluster.name, running, now, str(error))
    return _described(collected) if visits else Ensured(collected, "none to run")


def _scripts(cluster: Cluster, group: str, *, without_agent: bool) -> tuple[Script, ...]:
    custom = scripts_for(group, cluster.spec.monitoring.custom)
    return (*WITHOUT_AGENT, *custom) if without_agent else custom


@step("samples of {cluster.name}")
def keep_samples(
    cluster: ClusterId, collected: Collected, now: datetime, retention_days: int
) -> Ensured[Kept]:
    """Store samples and gaps, and delete old ones.

    Without an answer of the database only this minute is lost: nothing waits for it.
    """
    try:
        with open_samples(cluster) as samples:
            samples.add(collected.samples, collected.gaps)
            old = samples.prune(now - timedelta(days=retention_days))
            words = f", {old} old ones deleted" if old else ""
            return Ensured(Kept(samples.where), f"kept in {samples.where}{words}")
    except ClusterError as error:
        return Ensured(Kept("", str(error)), f"not kept: {error}", failed=True)


def silent_machines(machines: Machines, collected: Collected) -> frozenset[str]:
    """Ids of the machines whose memory is missing in a reading of the cloud."""
    known = {sample.machine for sample in collected.samples if sample.metric == MEMORY}
    places = places_of(machines)
    return frozenset(one.id for one in machines.running if places[one.id][1] not in known)


def recent_samples(cluster: ClusterId, now: datetime) -> list[Sample]:
    """The latest sample of each series; none where the database does not answer.

    Machines that were removed in the last minutes are included.
    """
    try:
        with open_samples(cluster) as samples:
            return samples.latest(Window(now - RECENT, now + timedelta(seconds=1)))
    except ClusterError as error:
        run_logger().warning("%s", error)
        return []


def read_history(cluster: ClusterId, now: datetime) -> dict[str, list[float]]:
    """Pods of the last hour by machine, oldest first; empty where the database does not answer."""
    try:
        with open_samples(cluster) as samples:
            window = Window(now - timedelta(hours=1), now + timedelta(seconds=1), (PODS,))
            frame = samples.frame(window)
    except ClusterError:
        return {}
    return {
        str(machine): [float(value) for value in values]
        for machine, values in frame.groupby("machine")["value"]
    }


def _described(collected: Collected) -> Ensured[Collected]:
    words = f"{len(collected.samples)} samples"
    if collected.gaps:
        words += f", {len(collected.gaps)} gaps, such as: {collected.gaps[0].reason}"
    return Ensured(collected, words)
