"""The runbook of one collection: machines, load, the cloud's monitoring, scripts, alarms."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from clients.exposed_file import write_at_once
from domain.cloud.inventory import Inventory
from domain.observe.metrics.exposition import expose
from domain.observe.metrics.places import of_living_machines
from domain.observe.metrics.records import Collected, Gap
from domain.observe.metrics.report import MetricsReport, check_complete, report_metrics
from tasks.alarms import collect_signals, evaluate_alarms, record_billed
from tasks.cluster import Cluster
from tasks.endpoints import read_spec_at_kept_endpoints
from tasks.executors import Steps
from tasks.metrics import (
    MOST_MACHINES_FOR_REQUESTS,
    collect_cloud,
    collect_load,
    collect_scripts,
    keep_samples,
    need_machines,
    recent_samples,
    silent_machines,
    what_is_due,
)
from tasks.overview import spec_or_guess


def measure(
    steps: Steps, cluster: Cluster, now: datetime, file: Path | None = None
) -> MetricsReport:
    """Measure a cluster once, store the samples, and evaluate its alarms.

    A value that cannot be measured leaves a gap with its reason, and the others are collected.

    Args:
        now: the time of the samples.
        file: written in Prometheus' text format, where one is given.

    Raises:
        NotFound: there is no such cluster.
        Incomplete: samples were not stored, or alarms not evaluated; it carries the report.
    """
    name, machines = cluster.name, need_machines(cluster)
    due = what_is_due(cluster.id, machines, now)
    cluster, stored = read_spec_at_kept_endpoints(cluster, machines)
    cluster = cluster.wanting(stored or spec_or_guess(cluster))
    seen = cluster.inventory(fresh=True) if due.inventory else machines
    few = len(machines.instances) <= MOST_MACHINES_FOR_REQUESTS
    load = steps.start(collect_load, cluster, machines, now, with_requests=due.monitoring or few)
    measured, silent = Collected(), frozenset[str]()
    if due.monitoring:
        measured = steps.run(collect_cloud, cluster, machines, now)
        silent = silent_machines(machines, measured)
    of_machines = steps.run(collect_scripts, cluster, machines, silent, now)
    signals = collect_signals(cluster, machines, now, due)
    collected = load.result() + measured + of_machines + signals
    retention_days = cluster.spec.monitoring.retention_days
    kept = steps.run(keep_samples, cluster.id, collected, now, retention_days)
    if isinstance(seen, Inventory):
        record_billed(cluster, seen, now)
    gaps = collected.gaps
    if kept.reason:
        gaps += (Gap(now, name, "", "", "all samples", kept.reason),)
    alarms = steps.run(evaluate_alarms, cluster, seen, now)
    known = of_living_machines(machines, recent_samples(cluster.id, now))
    samples = (*known, *collected.samples)
    if file:
        write_at_once(file, expose(samples, gaps))
    report = report_metrics(name, now, samples, gaps, kept.database)
    report = replace(report, alarms=alarms)
    check_complete(report, kept.reason)
    return report
