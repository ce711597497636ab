"""Looking at a cluster's alarms: what they need to know, their next step, and who is told."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from prefect.variables import Variable

from blocks.monitoring import open_samples
from blocks.notifications import open_service
from clients.alarm_history import AlarmHistory
from clients.certificates import read_certificate_end, read_end
from clients.lives import LifeHistory
from domain.cloud.inventory import Inventory, Machines
from domain.kernel.ensured import Ensured
from domain.kernel.errors import BadRequest, ClusterError, InvalidSpec
from domain.kernel.names import NODES
from domain.observe.alarms import signals
from domain.observe.alarms.deliveries import Delivery, Notifier, deliver, send_once
from domain.observe.alarms.messages import Message, write_blindness, write_messages, write_test
from domain.observe.alarms.report import AlarmReport, format_alarms
from domain.observe.alarms.states import Readings, Span, active_states, evaluate, spans_of
from domain.observe.cost import follow_lives, lives_of
from domain.observe.metrics.records import Collected, Gap, Sample, SampleReader, Window
from domain.spec.alarms import AlarmRule, rules_in_force
from domain.spec.cluster import ClusterSpec
from domain.spec.metrics import BILLED_RESOURCES, CERTIFICATE_DAYS, QUOTA_NODES
from tasks.cluster import Cluster
from tasks.metrics import Due
from tasks.steps import run_logger, step

TOLD_AGAIN = timedelta(hours=1)
"""How often people hear that alarms are blind while the database is away."""

Services = Mapping[str, Callable[[], Notifier]]


def collect_signals(cluster: Cluster, machines: Machines, now: datetime, due: Due) -> Collected:
    """Read what alarms need beside the machines' metrics; what cannot be read is a gap."""
    spec = cluster.spec
    samples = list(signals.signal_machines(spec, machines, now))
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
    if due.monitoring:
        attempt("", CERTIFICATE_DAYS.name, certificates)
    return Collected(tuple(samples), tuple(gaps))


@step("alarms of {cluster.name}")
def look_at_alarms(cluster: Cluster, seen: Machines, now: datetime) -> Ensured[AlarmReport]:
    """Keep what lives, take every alarm one step further, and notify people of what is new.

    A database that does not answer, or is none, ends nothing: people are notified of that, and the
    report has it.

    Args:
        seen: a fresh reading of the machines, or of the whole inventory.
    """
    spec = cluster.spec
    services = services_of(spec)
    try:
        with open_samples() as samples:
            history = AlarmHistory(samples.database, spec.name)
            remember_lives(LifeHistory(samples.database, spec.name), seen, now)
            report = check_alarms(samples, history, spec, seen, now, services)
            history.prune(now - timedelta(days=spec.monitoring.retention_days))
    except BadRequest:
        raise
    except ClusterError as error:
        tell_blindness(cluster.key, spec, str(error), now, services)
        report = AlarmReport(spec.name, blind=str(error))
    else:
        tell_sight(cluster.key, spec, now, services)
    for one in report.deliveries:
        if one.reason:
            run_logger().warning("%s was not told (%s): %s", one.service, one.outcome, one.reason)
    return Ensured(report, format_alarms(report), failed=bool(report.blind))


def note_billed(cluster: Cluster, inventory: Inventory, now: datetime) -> None:
    """Keep from when to when what is billed lives, and that the whole inventory was read now.

    A database that does not answer ends nothing: the next collection reads the inventory.
    """
    unit = BILLED_RESOURCES.unit
    count = float(sum(1 for _ in lives_of(inventory)))
    sample = Sample(now, cluster.name, "", "", BILLED_RESOURCES.name, count, unit)
    try:
        with open_samples() as samples:
            remember_lives(LifeHistory(samples.database, cluster.name), inventory, now)
            samples.add([sample])
    except ClusterError as error:
        run_logger().warning("what is billed was not noted: %s", error)


@step("history of {cluster.name}")
def close_history(cluster: Cluster, now: datetime) -> Ensured[None]:
    """Note that a cluster is gone: all its lives end, and its alarms without a message.

    No later collection would notice. A database that does not answer is reported and otherwise
    ignored: the cluster is gone all the same.
    """
    try:
        with open_samples() as samples:
            history = AlarmHistory(samples.database, cluster.name)
            lives = LifeHistory(samples.database, cluster.name)
            ended = remember_lives(lives, Inventory(cluster.name), now)
            states = history.read_states()
            history.step(states, evaluate([], {}, (), states, now).states, (), (), now)
    except ClusterError as error:
        return Ensured(None, f"stays open: {error}", failed=True)
    return Ensured(None, f"{ended} lives closed")


def remember_lives(lives: LifeHistory, seen: Machines, now: datetime) -> int:
    """Keep from when to when what is billed lives. Returns: how many lives are new or over.

    Raises:
        TemporaryError: the database is locked or gone.
    """
    changed = follow_lives(lives.read(), seen, now)
    lives.write(changed)
    return len(changed)


def check_alarms(
    reader: SampleReader,
    history: AlarmHistory,
    spec: ClusterSpec,
    seen: Machines,
    now: datetime,
    services: Services,
) -> AlarmReport:
    """Take every alarm one step further, and tell people what is new.

    A service that fails keeps nobody else from being told, and is tried again at the next look.

    Args:
        services: what opens each of those who are told, by name.

    Raises:
        TemporaryError: the database is locked or gone.
    """
    rules = rules_in_force(spec.alarms)
    before = history.read_states()
    readings = read_readings(reader, spec.name, rules, now)
    found = evaluate(rules, readings, signals.subjects_of(spec, seen), before, now)
    language = spec.notifications.language
    messages = write_messages(spec.name, found.changes, now, language)
    taken = history.step(before, found.states, messages, tuple(services), now)
    if not taken:
        run_logger().info("another look at the alarms of %s was faster", spec.name)
    delivered = deliver(history.read_due(), services, history.take, history.finish, now)
    active = active_states((*before, *found.states))
    return AlarmReport(spec.name, active, len(messages) if taken else 0, delivered)


def services_of(spec: ClusterSpec) -> Services:
    """What opens the notification services that the description names."""
    return {name: partial(open_service, name) for name in spec.notifications.services}


def send_test(spec: ClusterSpec, now: datetime) -> tuple[Delivery, ...]:
    """Send a test message through every service that the description names, and remember nothing.

    Raises:
        InvalidSpec: it names none.
    """
    services = services_of(spec)
    if not services:
        raise InvalidSpec(
            f"nobody is told of alarms of cluster {spec.name}; name services in its file, such as "
            "notifications: {services: [dingtalk-robot/oncall]}"
        )
    return send_once(write_test(spec.name, now, spec.notifications.language), services, now)


def read_readings(
    reader: SampleReader, cluster: str, rules: Sequence[AlarmRule], now: datetime
) -> Readings:
    """Ask the samples for what these rules look at: one question for each window and grouping."""
    metrics: dict[Span, set[str]] = {span: set() for span in spans_of(rules)}
    for rule in rules:
        metrics[Span(rule.window_seconds, rule.per)].add(rule.metric)
    until = now + timedelta(microseconds=1)  # the sample of this very moment counts
    return {
        span: reader.statistics(
            Window(cluster, now - timedelta(seconds=span.seconds), until, tuple(sorted(names))),
            span.per,
        )
        for span, names in metrics.items()
    }


def tell_blindness(
    key: str, spec: ClusterSpec, reason: str, now: datetime, services: Services
) -> None:
    """Tell people, at most once an hour, that alarms cannot be evaluated, and why.

    That they were told is kept as a Prefect variable, the database being away.
    """
    told = Variable.get(_blind(key))
    if told and now - datetime.fromisoformat(str(told)) < TOLD_AGAIN:
        return
    message = write_blindness(spec.name, reason, now, spec.notifications.language)
    if _tell_all(message, services):
        Variable.set(_blind(key), now.isoformat(), overwrite=True)


def tell_sight(key: str, spec: ClusterSpec, now: datetime, services: Services) -> None:
    """Tell people that alarms are evaluated again, if they heard of the opposite."""
    if Variable.get(_blind(key)) is None:
        return
    _tell_all(write_blindness(spec.name, "", now, spec.notifications.language), services)
    Variable.unset(_blind(key))


def _certificate_ends(cluster: Cluster) -> list[datetime]:
    """When the cluster's CA, its API server's and its UI's certificate end."""
    endpoints, ca = cluster.endpoints(), cluster.credentials().ca.certificate
    urls = [url for url in (endpoints.api_url, endpoints.ui_url) if url]
    return [read_end(ca), *(read_certificate_end(url, ca) for url in urls)] if urls else []


def _tell_all(message: Message, services: Services) -> bool:
    """Send without memory; whether at least one service took it."""
    taken = False
    for name, opening in services.items():
        try:
            opening().send(message)
            taken = True
        except ClusterError as error:
            run_logger().warning("%s was not told: %s", name, error)
    return taken


def _blind(key: str) -> str:
    return f"alarms-blind-{key}"
