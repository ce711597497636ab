"""Samples for alarms that no machine measures: missing machines, quota, certificates."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from domain.cloud.inventory import Machines
from domain.cluster.api import Node
from domain.kernel.names import GROUPS, NODES, node_name
from domain.node.serving import find_standings, patience_of
from domain.observe.alarms.states import Subject
from domain.observe.metrics.records import Sample
from domain.spec.cluster import ClusterSpec
from domain.spec.metrics import AT_MAXIMUM, CERTIFICATE_DAYS, MACHINES_MISSING, QUOTA_NODES, Metric

QUOTAS = ("instance", "cpu")
"""The kinds that GetQuotaLeft is called with, in the cloud's words."""


def signal_machines(
    spec: ClusterSpec, machines: Machines, nodes: Sequence[Node] | None, now: datetime
) -> Iterator[Sample]:
    """Yield by group how many machines are missing, and whether the nodes are at their maximum.

    Broken machines count as missing.

    Args:
        nodes: None while the cluster does not answer.
    """
    patience = patience_of(spec)
    whole = {}
    for group in GROUPS:
        found = find_standings(group, machines.group(group), nodes, now, patience)
        whole[group] = sum(not standing.is_broken for standing in found.values())
        missing = max(0, spec.count(group) - whole[group])
        yield _sample(spec, MACHINES_MISSING, group, missing, now)
    at_maximum = whole[NODES] >= spec.nodes.maximum > spec.nodes.minimum
    yield _sample(spec, AT_MAXIMUM, NODES, at_maximum, now)


def signal_quota(
    spec: ClusterSpec, machines: Machines, left: Mapping[str, int], now: datetime
) -> Iterator[Sample]:
    """Yield how many more nodes the quota allows; nothing where the cloud reports no quota.

    Args:
        left: by the kinds of `QUOTAS`, as `Cloud.read_quota_left` gives them.
    """
    room = [left["instance"]] if "instance" in left else []
    alike = [m.vcpus for m in machines.nodes if m.type_id == spec.nodes.template.instance_type]
    if "cpu" in left and alike and alike[0]:
        room.append(left["cpu"] // alike[0])
    if room:
        yield _sample(spec, QUOTA_NODES, NODES, min(room), now)


def signal_certificates(
    spec: ClusterSpec, ends: Sequence[datetime], now: datetime
) -> Iterator[Sample]:
    """Yield the days until the first of the cluster's certificates expires."""
    if ends:
        days = (min(ends) - now) / timedelta(days=1)
        yield _sample(spec, CERTIFICATE_DAYS, "", days, now)


def _sample(spec: ClusterSpec, metric: Metric, group: str, value: float, now: datetime) -> Sample:
    return Sample(now, spec.name, group, "", metric.name, float(value), metric.unit)


def subjects_of(spec: ClusterSpec, machines: Machines) -> frozenset[Subject]:
    """The possible subjects of alarms: the cluster, its groups and its machines.

    A group that has lost all machines stays a subject as long as the description wants machines.
    """
    groups = {group for group in GROUPS if machines.group(group) or spec.count(group)}
    single = {
        Subject(group, node_name(group, machine.id))
        for group in GROUPS
        for machine in machines.group(group)
    }
    return frozenset({Subject(), *map(Subject, groups), *single})
