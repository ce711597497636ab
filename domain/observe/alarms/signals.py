"""Samples for alarms that no machine measures: missing machines, quota, certificates."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from domain.cloud.inventory import Machines
from domain.cluster.api import Node
from domain.kernel.names import node_name
from domain.node.serving import find_standings, patience_of
from domain.observe.alarms.states import Subject
from domain.observe.metrics.records import Sample
from domain.spec.cluster import ClusterSpec
from domain.spec.metrics import (
    AT_MAXIMUM,
    BACKUP_LATE,
    CERTIFICATE_DAYS,
    MACHINES_MISSING,
    QUOTA_NODES,
    Metric,
)

QUOTAS = ("instance", "cpu")
"""The kinds that GetQuotaLeft is called with, in the cloud's words."""


def signal_machines(
    spec: ClusterSpec, machines: Machines, nodes: Sequence[Node] | None, now: datetime
) -> Iterator[Sample]:
    """Yield by group how many machines are missing, and whether it is at its maximum.

    Broken machines count as missing.

    Args:
        nodes: None while the cluster does not answer.
    """
    for group in spec.group_names:
        found = find_standings(group, machines.group(group), nodes, now, patience_of(spec, group))
        whole = sum(not standing.is_broken for standing in found.values())
        missing = max(0, spec.count(group) - whole)
        yield _sample(spec, MACHINES_MISSING, group, missing, now)
        if bounds := spec.node_groups.get(group):
            at_maximum = whole >= bounds.maximum > bounds.minimum
            yield _sample(spec, AT_MAXIMUM, group, at_maximum, now)


def signal_quota(
    spec: ClusterSpec, machines: Machines, left: Mapping[str, int], now: datetime
) -> Iterator[Sample]:
    """Yield by group how many more nodes the quota allows, where the cloud reports a quota.

    Args:
        left: by the kinds of `QUOTAS`, as `Cloud.read_quota_left` gives them.
    """
    for group in spec.node_groups:
        room = [left["instance"]] if "instance" in left else []
        wanted = spec.template(group).instance_type
        alike = [m.vcpus for m in machines.nodes if m.type_id == wanted]
        if "cpu" in left and alike and alike[0]:
            room.append(left["cpu"] // alike[0])
        if room:
            yield _sample(spec, QUOTA_NODES, group, min(room), now)


def signal_certificates(
    spec: ClusterSpec, ends: Sequence[datetime], now: datetime
) -> Iterator[Sample]:
    """Yield the days until the first of the cluster's certificates expires."""
    if ends:
        days = (min(ends) - now) / timedelta(days=1)
        yield _sample(spec, CERTIFICATE_DAYS, "", days, now)


def signal_backup(
    spec: ClusterSpec, last: datetime | None, machines: Machines, now: datetime
) -> Iterator[Sample]:
    """Yield by how many hours the next backup is late, where the description has backups.

    Without any backup the age is that of the oldest master.
    """
    if not spec.backup.store:
        return
    begun = last or min((one.created_at for one in machines.masters), default=now)
    late = (now - begun) / timedelta(hours=1) - spec.backup.alarm_hours
    yield _sample(spec, BACKUP_LATE, "", late, now)


def _sample(spec: ClusterSpec, metric: Metric, group: str, value: float, now: datetime) -> Sample:
    return Sample(now, spec.name, group, "", metric.name, float(value), metric.unit)


def subjects_of(spec: ClusterSpec, machines: Machines) -> frozenset[Subject]:
    """The possible subjects of alarms: the cluster, its groups and its machines.

    A group that has lost all machines stays a subject as long as the description wants machines.
    """
    groups = {*machines.groups, *filter(spec.count, spec.group_names)}
    single = {
        Subject(group, node_name(group, machine.id))
        for group in machines.groups
        for machine in machines.group(group)
    }
    return frozenset({Subject(), *map(Subject, groups), *single})
