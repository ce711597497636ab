"""Steps of a check: each reads what one subject needs, and judges it.

What cannot be read is trouble like any other: it ends no other subject's check.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from blocks.monitoring import open_samples
from clients.ssh import SshMachine
from domain.cloud.records import Instance
from domain.cluster.addon_objects import wanted_addons
from domain.cluster.api import SYSTEM
from domain.health.addons import check_addons, check_pending, check_wanted
from domain.health.alarms import check_alarms
from domain.health.backups import check_backups
from domain.health.certificates import check_certificates
from domain.health.control_plane import check_control_plane
from domain.health.dns import READY_PORT, SELECTOR, check_dns
from domain.health.drift import check_drift
from domain.health.etcd import check_etcd
from domain.health.findings import Finding, Level, Subject, unread
from domain.health.network import API, Reached, check_network, choose_ring, reach
from domain.health.nodes import check_nodes
from domain.health.quotas import check_quotas
from domain.kernel.ensured import Ensured
from domain.kernel.errors import ClusterError
from domain.node.certificates import MasterCertificates, read_certificates
from domain.node.etcd import EtcdState, read_etcd
from domain.node.remove import find_lost_nodes
from domain.node.serving import Fault, Standing, State
from domain.observe.alarms.signals import QUOTAS
from domain.observe.metrics.records import Window
from tasks.addons import find_addon_trouble
from tasks.backups import read_last
from tasks.cluster import Cluster
from tasks.drift import read_drift
from tasks.metrics import RECENT
from tasks.shells import visit_each
from tasks.standings import read_standings
from tasks.steps import step

Found = Ensured[tuple[Finding, ...]]


@dataclass(frozen=True, slots=True)
class MasterReading:
    """What one login to a master reads; `why` it could not be read, by subject."""

    node: str
    etcd: EtcdState | None = None
    etcd_why: str = ""
    certificates: MasterCertificates | None = None
    certificates_why: str = ""


@step("nodes")
def check_machines(cluster: Cluster) -> Found:
    """Check machines and nodes, with the same notion of broken as a repair has."""

    def look() -> Iterable[Finding]:
        machines, nodes = cluster.inventory(), cluster.api().list_nodes()
        seen = read_standings(cluster, machines.instances)
        standings = {cluster.node_name(one): seen[one.id] for one in machines.instances}
        gone = Standing(State.BROKEN, Fault.GONE)
        standings |= dict.fromkeys(find_lost_nodes(nodes, machines), gone)
        yield check_nodes(cluster.name, standings, nodes)

    return _judged(Subject.NODES, look)


@step("control plane, DNS and add-ons")
def check_system(cluster: Cluster) -> Found:
    """Check the pods of kube-system through the cluster's API."""

    def control_plane() -> Iterable[Finding]:
        masters = [cluster.node_name(one) for one in cluster.inventory().masters]
        yield check_control_plane(masters, cluster.api().list_pods(namespace=SYSTEM))

    def dns() -> Iterable[Finding]:
        pods = cluster.api().list_pods(namespace=SYSTEM, selector=SELECTOR)
        yield check_dns({pod.name: _why_mute(cluster, pod.name) for pod in pods})

    def addons() -> Iterable[Finding]:
        yield check_addons(cluster.api().list_workloads(SYSTEM))
        wanted = wanted_addons(cluster.spec.addons)
        yield from check_wanted({addon: find_addon_trouble(cluster, addon) for addon in wanted})
        yield from check_pending(cluster.api().list_services_without_address())

    return _together(
        _judged(Subject.CONTROL_PLANE, control_plane),
        _judged(Subject.DNS, dns),
        _judged(Subject.ADD_ONS, addons),
    )


def _why_mute(cluster: Cluster, pod: str) -> str:
    try:
        cluster.api().fetch_pod_page(SYSTEM, pod, READY_PORT, "ready")
    except ClusterError as error:
        return str(error)
    return ""


@step("etcd and certificates")
def check_masters(cluster: Cluster, now: datetime) -> Found:
    """Log in to each master once, and check its etcd and its certificates."""
    masters = cluster.inventory().masters
    try:
        readings = visit_each(cluster, masters, _read_master, _unread_master)
    except ClusterError as error:
        subjects = (Subject.ETCD, Subject.CERTIFICATES)
        return _ensured([unread(subject, str(error)) for subject in subjects])
    return _ensured([*_judge_etcd(readings), *_judge_certificates(readings, now)])


def _judge_etcd(readings: Sequence[MasterReading]) -> Iterable[Finding]:
    for one in readings:
        if one.etcd_why:
            yield unread(Subject.ETCD, f"{one.node}: {one.etcd_why}")
    if states := [one.etcd for one in readings if one.etcd]:
        yield from check_etcd(states, len(readings))


def _judge_certificates(readings: Sequence[MasterReading], now: datetime) -> Iterable[Finding]:
    for one in readings:
        if one.certificates_why:
            yield unread(Subject.CERTIFICATES, f"{one.node}: {one.certificates_why}")
    if held := [one.certificates for one in readings if one.certificates]:
        yield check_certificates(held, now)


def _read_master(cluster: Cluster, machine: Instance, shell: SshMachine) -> MasterReading:
    node, etcd, etcd_why = cluster.node_name(machine), None, ""
    certificates, why = None, ""
    try:
        etcd = read_etcd(shell, node)
    except ClusterError as error:
        etcd_why = str(error)
    try:
        certificates = read_certificates(shell, node)
    except ClusterError as error:
        why = str(error)
    return MasterReading(node, etcd, etcd_why, certificates, why)


def _unread_master(cluster: Cluster, machine: Instance, why: str) -> MasterReading:
    return MasterReading(cluster.node_name(machine), None, why, None, why)


@step("network between nodes")
def check_ways(cluster: Cluster) -> Found:
    """Let machines reach their neighbours, and the API by the load balancer."""
    running = cluster.inventory().running
    balancer = cluster.endpoints().balancer_ip
    targets = {way.machine: (way.target, f"{balancer}:{API}/livez") for way in choose_ring(running)}

    def read(cluster: Cluster, machine: Instance, shell: SshMachine) -> Reached:
        return reach(shell, cluster.node_name(machine), targets[machine])

    def unreached(cluster: Cluster, machine: Instance, why: str) -> Reached:
        return Reached(cluster.node_name(machine), why=why)

    def look() -> Iterable[Finding]:
        yield check_network(visit_each(cluster, tuple(targets), read, unreached))

    return _judged(Subject.NETWORK, look)


@step("alarms")
def check_raised(cluster: Cluster, now: datetime) -> Found:
    def look() -> Iterable[Finding]:
        with open_samples(cluster.id) as samples:
            states = samples.alarms.read_states()
            window = Window(now - RECENT, now + timedelta(seconds=1))
            yield check_alarms(states, measured=bool(samples.latest(window)))

    return _judged(Subject.ALARMS, look)


@step("backups")
def check_last_backup(cluster: Cluster, now: datetime) -> Found:
    """Check the age of the last good backup that this Prefect server knows of."""

    def look() -> Iterable[Finding]:
        last, policy = read_last(cluster.key), cluster.spec.backup
        longest = timedelta(hours=policy.alarm_hours) if policy.store else None
        yield check_backups(cluster.name, last.made_at if last else None, now, longest)

    return _judged(Subject.BACKUPS, look)


@step("quotas and drift")
def check_description(cluster: Cluster) -> Found:
    """Check what the description asks for against the quota, and against what there is."""

    def quotas() -> Iterable[Finding]:
        left = cluster.cloud.known.read_quota_left(QUOTAS)
        yield check_quotas(cluster.spec, left, len(cluster.inventory().instances))

    def drift() -> Iterable[Finding]:
        yield check_drift(read_drift(cluster, cluster.spec))

    return _together(_judged(Subject.QUOTAS, quotas), _judged(Subject.DRIFT, drift))


def _judged(subject: Subject, look: Callable[[], Iterable[Finding]]) -> Found:
    """The findings of one subject, or that it could not be read."""
    try:
        return _ensured(list(look()))
    except ClusterError as error:
        return _ensured([unread(subject, str(error))])


def _together(*parts: Found) -> Found:
    return _ensured([one for part in parts for one in part.value])


def _ensured(findings: Sequence[Finding]) -> Found:
    worse = [one for one in findings if one.level is not Level.OK]
    words = "; ".join(f"{one.subject}: {one.sentence}" for one in worse) or "well"
    failed = any(one.level is Level.TROUBLE for one in findings)
    return Ensured(tuple(findings), words, failed=failed)
