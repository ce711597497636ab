"""What each check finds: well, a warning, or trouble with what to do."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.cluster.api import Node, Pod, Workload
from domain.health.addons import check_addons, check_pending, check_wanted
from domain.health.alarms import check_alarms
from domain.health.backups import check_backups
from domain.health.certificates import check_certificates
from domain.health.control_plane import COMPONENTS, check_control_plane
from domain.health.dns import check_dns
from domain.health.drift import check_drift
from domain.health.etcd import check_etcd
from domain.health.findings import (
    Finding,
    HealthReport,
    Level,
    Subject,
    report_findings,
    unread,
    well,
)
from domain.health.network import Reached, check_network, choose_ring
from domain.health.nodes import check_nodes
from domain.health.quotas import check_quotas
from domain.node.certificates import Certificate, MasterCertificates
from domain.node.etcd import EtcdMember, EtcdState, read_metrics
from domain.node.serving import BOOTING, NOT_READY, SERVING, Fault, Standing, State
from domain.observe.alarms.states import AlarmState, Phase
from domain.observe.alarms.states import Subject as Of
from domain.reports.drift import Difference, DriftReport, Kind
from domain.spec.alarms import Level as AlarmLevel
from domain.spec.cluster import ClusterSpec
from tests.domain.makers import make_instance

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
OK, WARNING, TROUBLE = Level


def case(name: str, finding: Finding, level: Level, words: str = "") -> Any:
    return pytest.param(finding, level, words, id=name)


def node(name: str = "n-1", *, schedulable: bool = True) -> Node:
    return Node(name, "10.0.0.1", True, schedulable, 40)


def masters_pods(without: str = "") -> list[Pod]:
    return [
        Pod(
            "kube-system",
            one,
            one,
            "m-1",
            "Running",
            one != without,
            "Node",
            True,
            {"component": one},
        )
        for one in COMPONENTS
    ]


MEMBER = EtcdMember("8e9e05c52164694d", "m-1", "https://10.0.0.1:2380", started=True)
ETCD = EtcdState("m-1", (MEMBER,), "3.6.6", 20 * 2**20, 2**31, 0.004, has_leader=True)


def etcd(masters: int = 1, **changes: Any) -> Finding:
    return check_etcd([replace(ETCD, **changes)], masters)[0]


def certificates(
    *days: float, name: str = "apiserver", is_authority: bool = False, unfinished: bool = False
) -> Finding:
    held = [Certificate(name, "m-1", NOW + timedelta(days=one), is_authority) for one in days]
    return check_certificates([MasterCertificates("m-1", tuple(held), unfinished)], NOW)


def alarms(*levels: AlarmLevel, measured: bool = True) -> Finding:
    states = [
        AlarmState("rule", Of("k8s-node", "n-1"), Phase.FIRING, one, NOW, 1) for one in levels
    ]
    quiet = AlarmState("other", Of(), Phase.RESOLVED, AlarmLevel.ERROR, NOW, 1)
    return check_alarms([quiet, *states], measured=measured)


def nodes(standing: Standing, *, schedulable: bool = True) -> Finding:
    return check_nodes("demo", {"n-1": standing}, [node(schedulable=schedulable)])


def drift(*kinds: Kind) -> Finding:
    found = tuple(Difference(kind, "listener", "api", "is missing") for kind in kinds)
    return check_drift(DriftReport("demo", found))


def backups(age_hours: float | None, longest: float | None = 26) -> Finding:
    last = None if age_hours is None else NOW - timedelta(hours=age_hours)
    return check_backups("demo", last, NOW, timedelta(hours=longest) if longest else None)


STOPPED = Standing(State.BROKEN, Fault.STOPPED)

CASES = [
    case("ready", nodes(SERVING), OK, "1 Ready"),
    case("broken", nodes(STOPPED), TROUBLE, "n-1 (it is stopped)"),
    case("not ready", nodes(NOT_READY), TROUBLE, "n-1 (NotReady)"),
    case("booting", nodes(BOOTING), WARNING, "n-1 (booting)"),
    case("cordoned", nodes(SERVING, schedulable=False), WARNING, "take no pods: n-1"),
    case("control plane", check_control_plane(["m-1"], masters_pods()), OK),
    case(
        "scheduler",
        check_control_plane(["m-1"], masters_pods("kube-scheduler")),
        TROUBLE,
        "kube-scheduler on m-1",
    ),
    case("second master", check_control_plane(["m-1", "m-2"], masters_pods()), TROUBLE, "on m-2"),
    case("etcd", etcd(), OK, "20.0 MiB, fsync 4.0 ms"),
    case("dead member", etcd(members=(MEMBER, replace(MEMBER, name="m-0"))), TROUBLE, "2 members"),
    case("lacks a member", etcd(masters=3), TROUBLE, "for 3 masters"),
    case("not started", etcd(members=(replace(MEMBER, started=False),)), TROUBLE, "not started"),
    case("no leader", etcd(has_leader=False), TROUBLE, "no leader"),
    case("etcd's alarm", etcd(alarm="NOSPACE"), TROUBLE, "NOSPACE"),
    case("etcd full", etcd(size=int(0.9 * 2**31)), WARNING, "90 %"),
    case("slow disk", etcd(fsync_p99=0.256), WARNING, "m-1 (256 ms)"),
    case("dns", check_dns({"coredns-a": "", "coredns-b": ""}), OK),
    case("one dns", check_dns({"coredns-a": "", "coredns-b": "refused"}), WARNING, "1 of 2"),
    case("dns mute", check_dns({"coredns-a": "refused"}), TROUBLE, "coredns-a: refused"),
    case("no dns", check_dns({}), TROUBLE, "no pod"),
    case("network", check_network([Reached("n-1")]), OK),
    case("cut", check_network([Reached("n-1", ("10.0.0.2:10250",))]), TROUBLE, "10.0.0.2:10250"),
    case("no login", check_network([Reached("n-1", why="refused")]), TROUBLE, "no login to n-1"),
    case("certificates", certificates(300, 200), OK, "2 valid, the first one for 200 days"),
    case("ends soon", certificates(300, 20), WARNING, "in 20 days"),
    case("ends at once", certificates(3), TROUBLE, "in 3 days"),
    case("has ended", certificates(-1), TROUBLE, "has ended"),
    case("half renewed", certificates(300, unfinished=True), WARNING, "not used there yet"),
    case("no certificate", certificates(), TROUBLE, "none was found"),
    case("backup", backups(3), OK, "3 h 00 min old"),
    case("late backup", backups(27), TROUBLE, "27 h 00 min old"),
    case("no backup", backups(None), TROUBLE, "there is none"),
    case("no backups wanted", backups(None, None), WARNING, "there is none"),
    case("backup by hand", backups(900, None), OK),
    case("quiet", alarms(), OK),
    case("raised", alarms(AlarmLevel.WARNING), WARNING, "rule of n-1"),
    case("an error", alarms(AlarmLevel.WARNING, AlarmLevel.ERROR), TROUBLE, "rule of n-1"),
    case("unmeasured", alarms(measured=False), WARNING, "nothing was measured"),
    case("add-ons", check_addons([Workload("DaemonSet", "kube-proxy", 3, 3)]), OK),
    case("lacking", check_addons([Workload("Deployment", "coredns", 2, 1)]), TROUBLE, "1 of 2"),
    case(
        "pending", next(check_pending(["default/web"])), WARNING, "without an address: default/web"
    ),
    case(
        "broken", next(check_wanted({"csi": "", "x": "0 of 1"})), TROUBLE, "x does not work: 0 of 1"
    ),
    case("no quota", check_quotas(ClusterSpec(), {}, 3), OK),
    case("room", check_quotas(ClusterSpec(), {"instance": 20}, 3), OK),
    case("little room", check_quotas(ClusterSpec(), {"instance": 2}, 3), WARNING, "grow by 8"),
    case("no room", check_quotas(ClusterSpec(), {"instance": 0}, 3), TROUBLE, "no more machine"),
    case("no drift", drift(Kind.BY_HAND), OK),
    case("drift", drift(Kind.MISSING, Kind.BY_HAND), WARNING, "missing: listener api"),
]


@pytest.mark.parametrize(("finding", "level", "words"), CASES)
def test_a_check_says_how_bad_it_is_and_why(finding: Finding, level: Level, words: str) -> None:
    assert finding.level is level
    assert words in finding.sentence


def test_the_first_trouble_is_the_sentence() -> None:
    found = [
        unread(Subject.ETCD, "no login"),
        drift(Kind.MISSING),
        nodes(STOPPED),
        well(Subject.DNS, "2 pods answer"),
    ]
    report = report_findings("demo", found)
    assert [one.subject for one in report.findings] == [
        Subject.NODES,
        Subject.ETCD,
        Subject.DNS,
        Subject.DRIFT,
    ]
    assert report.sentence == (
        "cluster demo, nodes: broken: n-1 (it is stopped) (and 1 more). "
        "Replace them with: python -m flows.repair --name demo"
    )
    assert HealthReport("demo", (drift(Kind.MISSING),)).sentence == (
        "cluster demo is well, with 1 warnings"
    )


def ring(count: int, most: int = 64) -> Sequence[tuple[str, str]]:
    ways = choose_ring([make_instance(number) for number in range(count)], most)
    return [(way.machine.private_ip, way.target.partition(":")[0]) for way in ways]


def test_each_machine_reaches_the_next_and_each_is_reached() -> None:
    assert ring(1) == []
    assert ring(3) == [
        ("192.168.1.0", "192.168.1.1"),
        ("192.168.1.1", "192.168.1.2"),
        ("192.168.1.2", "192.168.1.0"),
    ]


def test_what_to_do_about_a_certificate_depends_on_who_renews_it() -> None:
    assert "flows.maintain" in certificates(20).action
    assert certificates(20, name="ca", is_authority=True).action == ""
    assert "kubelet" in certificates(20, name="kubelet").action


def test_of_many_machines_a_part_is_visited() -> None:
    ways = ring(200, most=64)
    assert len(ways) == 50
    assert {source for source, _ in ways} == {target for _, target in ways}


PAGE = """\
# HELP etcd_disk_wal_fsync_duration_seconds The latency distributions of fsync called by WAL.
# TYPE etcd_disk_wal_fsync_duration_seconds histogram
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"} 500
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.002"} 980
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.004"} 990
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.008"} 1000
etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"} 1000
etcd_disk_wal_fsync_duration_seconds_sum 1.2
etcd_disk_wal_fsync_duration_seconds_count 1000
# TYPE etcd_server_quota_backend_bytes gauge
etcd_server_quota_backend_bytes 2.147483648e+09
"""


def test_the_99th_percentile_is_the_bucket_that_holds_it() -> None:
    assert read_metrics(PAGE) == {
        "etcd_disk_wal_fsync_duration_seconds": 0.004,
        "etcd_server_quota_backend_bytes": 2**31,
    }
    assert read_metrics("") == {}
