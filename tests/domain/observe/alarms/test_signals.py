from dataclasses import replace
from datetime import datetime, timedelta

from domain.cloud.inventory import Inventory
from domain.cloud.records import InstanceStatus
from domain.cluster.api import Node
from domain.kernel.names import MASTERS, NODES, node_name
from domain.observe.alarms.signals import (
    signal_backup,
    signal_certificates,
    signal_machines,
    signal_quota,
    subjects_of,
)
from domain.observe.alarms.states import Subject
from domain.observe.metrics.records import Sample
from domain.spec.cluster import ClusterSpec, changed
from tests.domain.makers import make_view
from tests.domain.observe.alarms.alarm_makers import NOON

SPEC = ClusterSpec()


def values(samples: list[Sample]) -> dict[tuple[str, str], float]:
    return {(sample.metric, sample.group): sample.value for sample in samples}


def test_machine_that_does_not_run_is_missing() -> None:
    view = make_view(SPEC)
    master, first, *others = view.instances
    halted = replace(first, status=InstanceStatus.STOPPED)
    seen = replace(view, instances=(master, halted, *others))
    found = values(list(signal_machines(SPEC, seen, None, NOON)))
    assert found["machinesMissing", NODES] == 1
    assert found["machinesMissing", MASTERS] == 0


def test_machine_that_is_broken_is_missing_and_does_not_fill_the_group() -> None:
    """Both machines run; one has never joined."""
    view = make_view(SPEC, nodes=2)
    joined = [*view.masters, view.nodes[0]]
    names = [node_name(view.group_of(machine), machine.id) for machine in joined]
    nodes = [Node(name, "", True, True, 40) for name in names]
    full = changed(SPEC, {"nodes": {"count": 2, "maximum": 2}})
    found = values(list(signal_machines(full, view, nodes, NOON)))
    assert found["machinesMissing", NODES] == 1
    assert found["machinesMissing", MASTERS] == 0
    assert found["atMaximum", NODES] == 0


def test_group_at_its_maximum_is_signalled_only_where_scaling_is_possible() -> None:
    view = make_view(SPEC, nodes=3)
    moving = changed(SPEC, {"nodes": {"count": 3, "maximum": 3}})
    fixed = changed(SPEC, {"nodes": {"count": 3, "maximum": 3, "minimum": 3}})
    assert values(list(signal_machines(moving, view, None, NOON)))["atMaximum", NODES] == 1
    assert values(list(signal_machines(fixed, view, None, NOON)))["atMaximum", NODES] == 0
    assert values(list(signal_machines(SPEC, view, None, NOON)))["atMaximum", NODES] == 0


def test_quota_is_counted_in_nodes() -> None:
    [sample] = signal_quota(SPEC, make_view(SPEC), {"instance": 9, "cpu": 5}, NOON)
    assert sample.value == 2


def test_quota_that_the_cloud_does_not_report_has_no_sample() -> None:
    assert list(signal_quota(SPEC, make_view(SPEC), {}, NOON)) == []


def test_first_certificate_to_expire_counts() -> None:
    ends = [NOON + timedelta(days=90), NOON + timedelta(days=12)]
    [sample] = signal_certificates(SPEC, ends, NOON)
    assert sample.value == 12
    assert list(signal_certificates(SPEC, [], NOON)) == []


def test_a_backup_is_late_beyond_its_hours_and_counted_from_the_first_master() -> None:
    spec = changed(SPEC, {"backup": {"store": "nightly", "alarm_hours": 26}})
    view = make_view(spec)

    def late(last: datetime | None) -> float:
        [sample] = signal_backup(spec, last, view, NOON)
        return sample.value

    assert late(NOON - timedelta(hours=27)) == 1
    assert late(NOON - timedelta(hours=2)) == -24
    begun = min(one.created_at for one in view.masters)
    assert late(None) == (NOON - begun) / timedelta(hours=1) - 26
    assert list(signal_backup(SPEC, None, view, NOON)) == []


def test_group_without_machines_still_has_alarms() -> None:
    assert subjects_of(SPEC, Inventory("demo")) == {
        Subject(),
        Subject(MASTERS),
        Subject(NODES),
    }


def test_machines_are_named_as_their_nodes() -> None:
    assert Subject(NODES, "k8s-node-k8s-node1") in subjects_of(SPEC, make_view(SPEC))
