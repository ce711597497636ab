"""Evaluating a cluster's alarms: their samples, their next states, and notifications."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from blocks.monitoring import open_samples
from blocks.notifications import open_service
from blocks.server_calls import delete_variable, read_variable, write_variable
from clients.certificates import read_certificate_end, read_end
from domain.cloud.inventory import Inventory, Machines
from domain.cluster.api import Node
from domain.kernel.ensured import Ensured
from domain.kernel.errors import BadRequest, ClusterError, InvalidSpec
from domain.kernel.names import NODES, ClusterId
from domain.observe.alarms import signals
from domain.observe.alarms.deliveries import Delivery, Notifier, deliver, send_once
from domain.observe.alarms.messages import Message, write_blindness, write_messages, write_test
from domain.observe.alarms.report import AlarmReport, format_alarms
from domain.observe.alarms.states import (
    AlarmState,
    Change,
    Phase,
    Readings,
    Span,
    active_states,
    evaluate,
    spans_of,
)
from domain.observe.cost import follow_lives, lives_of
from domain.observe.metrics.records import Collected, Gap, Sample, SampleReader, Window
from domain.spec.alarms import AlarmRule, rules_in_force
from domain.spec.cluster import ClusterSpec
from domain.spec.metrics import BACKUP_LATE, BILLED_RESOURCES, CERTIFICATE_DAYS, QUOTA_NODES
from tasks.backups import read_last
from tasks.cluster import Cluster
from tasks.events import announce
from tasks.metrics import Due
from tasks.steps import run_logger, step

if TYPE_CHECKING:
    from clients.alarm_history import AlarmHistory
    from clients.lives import LifeHistory

NOTIFY_EVERY = timedelta(hours=1)
"""How often people are notified that alarms are not evaluated while the database is away."""

Services = Mapping[str, Callable[[], Notifier]]


def collect_signals(cluster: Cluster, machines: Machines, now: datetime, due: Due) -> Collected:
    """Collect the samples that only alarms need; a value that cannot be read leaves a gap."""
    spec = cluster.spec
    samples = list(signals.signal_machines(spec, machines, _find_nodes(cluster), now))
    gaps: list[Gap] = []

    def attempt(group: str, metric: str, read: Callable[[], Iterable[Sample]]) -> None:
        try:
            samples.extend(read())
        except ClusterError as error:
            gaps.append(Gap(now, spec.name, group, "", metric, str(error)[:300]))

    def quota() -> Iterable[Sample]:
        left = cluster.cloud.read_quota_left(signals.QUOTAS)
        return signals.signal_quota(spec, machines, left, now)

    def certificates() -> Iterable[Sample]:
        return signals.signal_certificates(spec, _certificate_ends(cluster), now)

    if due.quota:
        attempt(NODES, QUOTA_NODES.name, quota)

    def backups() -> Iterable[Sample]:
        last = read_last(cluster.key) if spec.backup.store else None
        return signals.signal_backup(spec, last.made_at if last else None, machines, now)

    if due.monitoring:
        attempt("", CERTIFICATE_DAYS.name, certificates)
        attempt("", BACKUP_LATE.name, backups)
    return Collected(tuple(samples), tuple(gaps))


def _find_nodes(cluster: Cluster) -> Sequence[Node] | None:
    """The nodes, or None while the cluster does not answer."""
    try:
        return cluster.api().list_nodes()
    except ClusterError as error:
        run_logger().info("the nodes cannot be read: %s", error)
        return None


@step("alarms of {cluster.name}")
def evaluate_alarms(cluster: Cluster, seen: Machines, now: datetime) -> Ensured[AlarmReport]:
    """Record the billed resources, evaluate every alarm once, and notify people of changes.

    A database that does not answer ends nothing: people are notified of it, and the report names
    the reason.

    Args:
        seen: a fresh reading of the machines, or of the whole inventory.
    """
    spec = cluster.spec
    services = services_of(spec)
    try:
        with open_samples(cluster.id) as samples:
            history = samples.alarms
            record_lives(samples.lives, seen, now)
            report = step_alarms(samples, history, spec, seen, now, services)
            history.prune(now - timedelta(days=spec.monitoring.retention_days))
    except BadRequest:
        raise
    except ClusterError as error:
        notify_outage(cluster.key, spec, str(error), now, services)
        report = AlarmReport(spec.name, blind=str(error))
    else:
        notify_recovery(cluster.key, spec, now, services)
    for change in report.changes:
        announce_alarm(cluster, change)
    for one in report.deliveries:
        if one.reason:
            run_logger().warning("%s not notified (%s): %s", one.service, one.outcome, one.reason)
    return Ensured(report, format_alarms(report), failed=bool(report.blind))


def announce_alarm(cluster: Cluster, change: Change) -> None:
    """Send the event of an alarm that fires, gets worse or has resolved."""
    state = change.state
    verb = "raised" if state.phase is Phase.FIRING else "resolved"
    payload = {
        "rule": change.rule.name,
        "level": str(state.level or ""),
        "group": state.subject.group,
        "machine": state.subject.machine,
        "value": state.value,
    }
    announce(cluster.key, cluster.name, f"alarm.{verb}", payload)


def record_billed(cluster: Cluster, inventory: Inventory, now: datetime) -> None:
    """Record when billed resources begin and end, and that the inventory was read now.

    A database that does not answer ends nothing: the next collection reads the inventory again.
    """
    unit = BILLED_RESOURCES.unit
    count = float(sum(1 for _ in lives_of(inventory)))
    sample = Sample(now, cluster.name, "", "", BILLED_RESOURCES.name, count, unit)
    try:
        with open_samples(cluster.id) as samples:
            record_lives(samples.lives, inventory, now)
            samples.add([sample])
    except ClusterError as error:
        run_logger().warning("billed resources were not recorded: %s", error)


def read_active(cluster: ClusterId) -> tuple[AlarmState, ...] | None:
    """The pending and firing alarms; None where the database does not answer."""
    try:
        with open_samples(cluster) as samples:
            return active_states(samples.alarms.read_states())
    except ClusterError as error:
        run_logger().warning("the alarms cannot be read: %s", error)
        return None


@step("history of {cluster.name}")
def close_history(cluster: Cluster, now: datetime) -> Ensured[None]:
    """Record the end of a cluster: of all its resources, and of its alarms, without a message.

    No later collection would notice it. A database that does not answer is reported and otherwise
    ignored: the cluster is deleted all the same.
    """
    try:
        with open_samples(cluster.id) as samples:
            history = samples.alarms
            lives = samples.lives
            ended = record_lives(lives, Inventory(cluster.name), now)
            states = history.read_states()
            history.step(states, evaluate([], {}, (), states, now).states, (), (), now)
    except ClusterError as error:
        return Ensured(None, f"stays open: {error}", failed=True)
    return Ensured(None, f"{ended} resources closed")


def record_lives(lives: "LifeHistory", seen: Machines, now: datetime) -> int:
    """Record when billed resources begin and end. Returns: how many are new or have ended.

    Raises:
        TemporaryError: the database is locked or gone.
    """
    changed = follow_lives(lives.read(), seen, now)
    lives.write(changed)
    return len(changed)


def step_alarms(
    reader: SampleReader,
    history: "AlarmHistory",
    spec: ClusterSpec,
    seen: Machines,
    now: datetime,
    services: Services,
) -> AlarmReport:
    """Evaluate every alarm once, store the new states, and notify people of changes.

    A service that fails does not stop the others, and is retried at the next evaluation.

    Args:
        services: by name, the function that opens each notification service.

    Raises:
        TemporaryError: the database is locked or gone.
    """
    rules = rules_in_force(spec.alarms)
    before = history.read_states()
    readings = read_readings(reader, rules, now)
    found = evaluate(rules, readings, signals.subjects_of(spec, seen), before, now)
    language = spec.notifications.language
    messages = write_messages(spec.name, found.changes, now, language)
    is_first = history.step(before, found.states, messages, tuple(services), now)
    if not is_first:
        run_logger().info("another evaluation of the alarms of %s was faster", spec.name)
    delivered = deliver(history.read_due(), services, history.take, history.finish, now)
    active = active_states((*before, *found.states))
    changes = found.changes if is_first else ()
    count = len(messages) if is_first else 0
    return AlarmReport(spec.name, active, count, delivered, changes=tuple(changes))


def services_of(spec: ClusterSpec) -> Services:
    """By name, the functions that open the notification services of the description."""
    return {name: partial(open_service, name) for name in spec.notifications.services}


def send_test(spec: ClusterSpec, now: datetime) -> tuple[Delivery, ...]:
    """Send a test message through every service of the description, and store nothing.

    Raises:
        InvalidSpec: it names no service.
    """
    services = services_of(spec)
    if not services:
        raise InvalidSpec(
            f"cluster {spec.name} has no notification service; name one in its file, such as "
            "notifications: {services: [dingtalk-robot/oncall]}"
        )
    return send_once(write_test(spec.name, now, spec.notifications.language), services, now)


def read_readings(reader: SampleReader, rules: Sequence[AlarmRule], now: datetime) -> Readings:
    """Read the statistics of these rules: one query for each window and level."""
    metrics: dict[Span, set[str]] = {span: set() for span in spans_of(rules)}
    for rule in rules:
        metrics[Span(rule.window_seconds, rule.per)].add(rule.metric)
    until = now + timedelta(microseconds=1)  # includes a sample of this very moment
    return {
        span: reader.statistics(
            Window(now - timedelta(seconds=span.seconds), until, tuple(sorted(names))),
            span.per,
        )
        for span, names in metrics.items()
    }


def notify_outage(
    key: str, spec: ClusterSpec, reason: str, now: datetime, services: Services
) -> None:
    """Notify people, at most once an hour, that alarms are not evaluated, with the reason.

    A Prefect variable keeps the time of the last message, because the database does not answer.
    """
    last = read_variable(_outage(key))
    if last and now - datetime.fromisoformat(str(last)) < NOTIFY_EVERY:
        return
    message = write_blindness(spec.name, reason, now, spec.notifications.language)
    if _send_to_all(message, services):
        write_variable(_outage(key), now.isoformat())


def notify_recovery(key: str, spec: ClusterSpec, now: datetime, services: Services) -> None:
    """Notify people that alarms are evaluated again, if they were notified of an outage."""
    if read_variable(_outage(key)) is None:
        return
    _send_to_all(write_blindness(spec.name, "", now, spec.notifications.language), services)
    delete_variable(_outage(key))


def _certificate_ends(cluster: Cluster) -> list[datetime]:
    """The ends of the certificates of the cluster's CA, its API server and its UI."""
    endpoints, ca = cluster.endpoints(), cluster.credentials().ca.certificate
    urls = [url for url in (endpoints.api_url, endpoints.ui_url) if url]
    return [read_end(ca), *(read_certificate_end(url, ca) for url in urls)] if urls else []


def _send_to_all(message: Message, services: Services) -> bool:
    """Send a message and store nothing. Returns: whether at least one service accepted it."""
    is_sent = False
    for name, open_notifier in services.items():
        try:
            open_notifier().send(message)
            is_sent = True
        except ClusterError as error:
            run_logger().warning("%s not notified: %s", name, error)
    return is_sent


def _outage(key: str) -> str:
    return f"alarms-blind-{key}"
