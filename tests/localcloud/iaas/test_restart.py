"""A cloud whose process ends: the next one answers as before, and finishes running jobs."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from localcloud.addresses import PublicAddresses
from localcloud.clock import WallClock
from localcloud.iaas.documents import from_document, snapshot, to_document
from localcloud.iaas.jobs import Job
from localcloud.iaas.lifecycle import CONTINUATIONS
from localcloud.iaas.records import Resource, Volume
from localcloud.parts import Component
from tests.localcloud.iaas.cloud_under_test import (
    CloudUnderTest,
    eventually,
    read_port,
    serve_cloud,
)
from tests.localcloud.iaas.cloud_under_test import HeldClock as LongSleepsHeld
from tests.localcloud.iaas.network_under_test import (
    forward,
    listen,
    machine_request,
    make_balancer,
    make_eip,
    make_group,
    make_keypair,
    make_network,
    make_vpc,
    open_ports,
    private_ip,
    run_machines,
)
from tests.localcloud.iaas.web_under_test import make_certificate

READINGS = {
    "DescribeRouters": "router_set",
    "DescribeVxnets": "vxnet_set",
    "DescribeEips": "eip_set",
    "DescribeSecurityGroups": "security_group_set",
    "DescribeLoadBalancers": "loadbalancer_set",
    "DescribeLoadBalancerListeners": "loadbalancer_listener_set",
    "DescribeServerCertificates": "server_certificate_set",
    "DescribeInstances": "instance_set",
    "DescribeKeyPairs": "keypair_set",
    "DescribeTags": "tag_set",
    "DescribeVolumes": "volume_set",
    "DescribeSnapshots": "snapshot_set",
    "DescribeImages": "image_set",
    "DescribeJobs": "job_set",
}


def as_killed(file: Path) -> Path:
    """Return the state that a process killed at this moment would leave."""
    left = file.with_name("left.db")
    with sqlite3.connect(file) as source, sqlite3.connect(left) as target:
        source.backup(target)
    source.close()
    target.close()
    return left


def read_all(cloud: CloudUnderTest) -> dict[str, Any]:
    return {action: cloud.ok(action, verbose=1)[name] for action, name in READINGS.items()}


def test_everything_reads_and_answers_as_before(tmp_path: Path) -> None:
    file = tmp_path / "cloud.db"
    with serve_cloud(file=file) as cloud:
        network = make_network(cloud, 10022, 8080)
        machines = run_machines(cloud, network.vxnet, 2)
        balancer = make_balancer(cloud, network.vxnet)
        listen(cloud, balancer, 8080, machines)
        cloud.done("UpdateLoadBalancers", loadbalancers=[balancer])
        inside = cloud.one("loadbalancer", balancer)["private_ips"][0]
        forward(cloud, network, 10022, private_ip(cloud, machines[0]), 22)
        forward(cloud, network, 8080, inside, 8080)
        cloud.done("UpdateRouters", routers=[network.router])
        cloud.done("CreateVolumes", size=10)
        cloud.ok("CreateTag", tag_name="t", color="#fff")
        cloud.ok("CreateServerCertificate", **make_certificate().request)
        cloud.done("StopInstances", instances=machines[1:])
        found = {"loadbalancer": balancer}
        eventually(lambda: "down" in json.dumps(cloud.ok("DescribeLoadBalancerBackends", **found)))
        before = read_all(cloud)
    with serve_cloud(file=file) as cloud:
        eventually(lambda: cloud.machines.is_running(machines[0]))
        assert not cloud.machines.is_running(machines[1])
        eventually(lambda: read_all(cloud) == before)
        assert read_port(network.address, 10022) == machines[0].encode()
        assert read_port(network.address, 8080) == machines[0].encode()


class HeldClock(WallClock):
    """A clock on which, from a moment on, no wait ends."""

    held = False

    async def sleep(self, seconds: float, /) -> None:
        if self.held:
            await asyncio.Event().wait()
        await super().sleep(seconds)


def accept_machines(cloud: CloudUnderTest, clock: HeldClock) -> dict[str, Any]:
    _, vxnet = make_vpc(cloud)
    request = machine_request(make_keypair(cloud), vxnets=[vxnet], count=2)
    clock.held = True
    return cloud.ok("RunInstances", **request)


def accept_stop(cloud: CloudUnderTest, clock: HeldClock) -> dict[str, Any]:
    _, vxnet = make_vpc(cloud)
    machines = run_machines(cloud, vxnet, 2)
    clock.held = True
    return cloud.ok("StopInstances", instances=machines)


def accept_end(cloud: CloudUnderTest, clock: HeldClock) -> dict[str, Any]:
    _, vxnet = make_vpc(cloud)
    machines = run_machines(cloud, vxnet, 2)
    clock.held = True
    return cloud.ok("TerminateInstances", instances=machines)


def accept_router(cloud: CloudUnderTest, clock: HeldClock) -> dict[str, Any]:
    clock.held = True
    return cloud.ok("CreateRouters", vpc_network="192.168.0.0/16", count=2)


def accept_joining(cloud: CloudUnderTest, clock: HeldClock) -> dict[str, Any]:
    (router,) = cloud.done("CreateRouters", vpc_network="192.168.0.0/16")["routers"]
    (vxnet,) = cloud.ok("CreateVxnets", vxnet_type=1)["vxnets"]
    clock.held = True
    return cloud.ok("JoinRouter", router=router, vxnet=vxnet, ip_network="192.168.1.0/24")


def accept_update(cloud: CloudUnderTest, clock: HeldClock) -> dict[str, Any]:
    router, _ = make_vpc(cloud)
    cloud.ok("ModifyRouterAttributes", router=router, eip=make_eip(cloud))
    clock.held = True
    return cloud.ok("UpdateRouters", routers=[router])


def accept_balancer(cloud: CloudUnderTest, clock: HeldClock) -> dict[str, Any]:
    _, vxnet = make_vpc(cloud)
    clock.held = True
    return cloud.ok("CreateLoadBalancer", vxnet=vxnet)


def accept_public_balancer(cloud: CloudUnderTest, clock: HeldClock) -> dict[str, Any]:
    eip = make_eip(cloud)
    clock.held = True
    return cloud.ok("CreateLoadBalancer", eips=[eip])


def accept_volumes(cloud: CloudUnderTest, clock: HeldClock) -> dict[str, Any]:
    clock.held = True
    return cloud.ok("CreateVolumes", size=10, count=2)


def accept_snapshot(cloud: CloudUnderTest, clock: HeldClock) -> dict[str, Any]:
    volumes = cloud.done("CreateVolumes", size=10, count=2)["volumes"]
    clock.held = True
    return cloud.ok("CreateSnapshots", resources=volumes)


def accept_clone(cloud: CloudUnderTest, clock: HeldClock) -> dict[str, Any]:
    (volume,) = cloud.done("CreateVolumes", size=10)["volumes"]
    clock.held = True
    return cloud.ok("CloneVolumes", volume=volume, count=2)


def accept_volume_of_snapshot(cloud: CloudUnderTest, clock: HeldClock) -> dict[str, Any]:
    volumes = cloud.done("CreateVolumes", size=10)["volumes"]
    (taken,) = cloud.done("CreateSnapshots", resources=volumes)["snapshots"]
    clock.held = True
    return cloud.ok("CreateVolumeFromSnapshot", snapshot=taken)


def accept_capture(cloud: CloudUnderTest, clock: HeldClock) -> dict[str, Any]:
    _, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    cloud.done("StopInstances", instances=[machine])
    clock.held = True
    return cloud.ok("CaptureInstance", instance=machine)


def accept_attaching(cloud: CloudUnderTest, clock: HeldClock) -> dict[str, Any]:
    _, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    volumes = cloud.done("CreateVolumes", size=10, count=6)["volumes"]  # of at most ten
    clock.held = True
    return cloud.ok("AttachVolumes", volumes=volumes, instance=machine)


def accept_rules(cloud: CloudUnderTest, clock: HeldClock) -> dict[str, Any]:
    group = make_group(cloud)
    open_ports(cloud, group, 8080)
    clock.held = True
    return cloud.ok("ApplySecurityGroup", security_group=group)


def statuses_of(cloud: CloudUnderTest, job: dict[str, Any]) -> list[tuple[str, str]]:
    """Return status and transition of all resources of a job."""
    ids = job["resource_ids"].split()
    return [
        (one.get("status", ""), one.get("transition_status", ""))
        for name, found in ((name, read_all(cloud)[a]) for a, name in READINGS.items())
        for one in found
        if one[f"{name.removesuffix('_set')}_id"] in ids
    ]


UNDER_WAY = {
    "RunInstances": (accept_machines, "running"),
    "StopInstances": (accept_stop, "stopped"),
    "TerminateInstances": (accept_end, "terminated"),
    "CreateRouters": (accept_router, "active"),
    "JoinRouter": (accept_joining, "active"),
    "UpdateRouters": (accept_update, "active"),
    "CreateLoadBalancer": (accept_balancer, "active"),
    "CreateLoadBalancer with an address": (accept_public_balancer, "active"),
    "CreateVolumes": (accept_volumes, "available"),
    "CreateSnapshots": (accept_snapshot, "available"),
    "CloneVolumes": (accept_clone, "available"),
    "CreateVolumeFromSnapshot": (accept_volume_of_snapshot, "available"),
    "CaptureInstance": (accept_capture, "available"),
    "AttachVolumes": (accept_attaching, "in-use"),
    "ApplySecurityGroup": (accept_rules, ""),
}
"""Accepted requests that are interrupted, and the status of their resources in the end."""


@pytest.mark.parametrize(("accept", "status"), UNDER_WAY.values(), ids=UNDER_WAY)
def test_job_under_way_is_finished_by_the_next_process(
    tmp_path: Path, accept: Callable[[CloudUnderTest, HeldClock], dict[str, Any]], status: str
) -> None:
    clock = HeldClock()
    with serve_cloud(file=tmp_path / "cloud.db", clock=clock) as cloud:
        accepted = accept(cloud, clock)
        counts = cloud.iaas.count_resources()
        left = as_killed(tmp_path / "cloud.db")
    with serve_cloud(file=left) as cloud:
        job = cloud.job(accepted)
        assert (job["job_id"], job["status"]) == (accepted["job_id"], "successful"), job
        assert set(statuses_of(cloud, job)) == {(status, "")}
        if status != "terminated":
            assert cloud.iaas.count_resources() == counts


def test_every_registered_continuation_is_covered_by_a_test() -> None:
    assert CONTINUATIONS.keys() <= UNDER_WAY.keys()


def test_creation_without_a_continuation_is_refused(
    cloud: CloudUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(CONTINUATIONS, "CreateRouters")
    assert cloud.call("CreateRouters", vpc_network="192.168.0.0/16")["ret_code"] == 5000


def test_machines_that_were_being_created_run_and_answer(tmp_path: Path) -> None:
    clock = HeldClock()
    with serve_cloud(file=tmp_path / "cloud.db", clock=clock) as cloud:
        accepted = accept_machines(cloud, clock)
        left = as_killed(tmp_path / "cloud.db")
    with serve_cloud(file=left) as cloud:
        cloud.job(accepted)
        for machine in accepted["instances"]:
            eventually(partial(private_ip, cloud, machine))
            eventually(partial(cloud.machines.is_running, machine))


def test_job_that_cannot_continue_fails_and_ends_all_transitions(tmp_path: Path) -> None:
    clock = HeldClock()
    with serve_cloud(file=tmp_path / "cloud.db", clock=clock) as cloud:
        machine, address = make_network(cloud), make_eip(cloud)
        clock.held = True
        cloud.ok("ModifyRouterAttributes", router=machine.router, eip=address)
        accepted = cloud.ok("UpdateRouters", routers=[machine.router])
        left = as_killed(tmp_path / "cloud.db")
    with sqlite3.connect(left) as file:
        file.execute("DELETE FROM records WHERE room = 'eips' AND key = ?", (address,))
    file.close()
    with serve_cloud(file=left) as cloud:
        job = cloud.job(accepted)
        assert (job["status"], address in job["error_codes"]) == ("failed", True), job
        assert cloud.one("router", machine.router)["transition_status"] == ""


def test_pending_address_is_available_after_a_restart(tmp_path: Path) -> None:
    clock = HeldClock()
    with serve_cloud(file=tmp_path / "cloud.db", clock=clock) as cloud:
        clock.held = True
        (eip,) = cloud.ok("AllocateEips", bandwidth=4)["eips"]
        left = as_killed(tmp_path / "cloud.db")
    with serve_cloud(file=left) as cloud:
        assert cloud.one("eip", eip)["status"] == "available"


def test_address_that_another_cloud_has_taken_meanwhile_is_replaced(tmp_path: Path) -> None:
    with serve_cloud(file=tmp_path / "cloud.db") as cloud:
        network = make_network(cloud, 10022)
        (machine,) = run_machines(cloud, network.vxnet)
        forward(cloud, network, 10022, private_ip(cloud, machine), 22)
        cloud.done("UpdateRouters", routers=[network.router])
    other = PublicAddresses()
    assert other.hold(network.address)
    try:
        with serve_cloud(file=tmp_path / "cloud.db") as cloud:
            address = cloud.one("eip", network.eip)["eip_addr"]
            assert address != network.address
            eventually(partial(cloud.machines.is_running, machine))
            assert read_port(address, 10022) == machine.encode()
    finally:
        other.close()


def test_confirmed_change_outlives_an_immediate_kill(tmp_path: Path) -> None:
    with serve_cloud(file=tmp_path / "cloud.db") as cloud:
        for number in range(20):
            tag = cloud.ok("CreateTag", tag_name=f"t{number}", color="#fff")["tag_id"]
            with serve_cloud(file=as_killed(tmp_path / "cloud.db")) as after:
                assert after.one("tag", tag)["tag_name"] == f"t{number}"


def test_faults_and_their_failed_components_outlive_the_process(tmp_path: Path) -> None:
    with serve_cloud(file=tmp_path / "cloud.db") as cloud:
        _, vxnet = make_vpc(cloud)
        (not_ready, stopped) = run_machines(cloud, vxnet, 2)
        cloud.fault("not-ready", machine=not_ready)
        cloud.fault("dies", machine=stopped)
        eventually(lambda: not cloud.machines.is_running(stopped))
        cloud.fault("error", action="CreateTag", code=5100, times=3)
        assert cloud.call("CreateTag", tag_name="t")["ret_code"] == 5100
        before = cloud.iaas.list_faults()
    with serve_cloud(file=tmp_path / "cloud.db") as cloud:
        assert cloud.iaas.list_faults() == before
        eventually(lambda: cloud.machines.is_running(not_ready))
        assert cloud.machines.failed == {(not_ready, Component.KUBELET)}
        assert not cloud.machines.is_running(stopped)
        assert [cloud.call("CreateTag", tag_name="t")["ret_code"] for _ in range(3)] == [
            5100
        ] * 2 + [0]


def test_scheduled_update_of_a_router_outlives_the_process(tmp_path: Path) -> None:
    clock = HeldClock()
    with serve_cloud(file=tmp_path / "cloud.db", clock=clock) as cloud:
        router, _ = make_vpc(cloud)
        eip = make_eip(cloud)
        cloud.fault("applies-by-itself", seconds=0)
        clock.held = True
        cloud.ok("ModifyRouterAttributes", router=router, eip=eip)
        left = as_killed(tmp_path / "cloud.db")
    with serve_cloud(file=left) as cloud:
        eventually(lambda: cloud.one("router", router)["is_applied"])
        assert cloud.one("eip", eip)["status"] == "associated"


def test_due_effect_of_a_fault_happens_in_the_next_process_in_time(tmp_path: Path) -> None:
    with serve_cloud(file=tmp_path / "cloud.db", clock=LongSleepsHeld()) as cloud:
        _, vxnet = make_vpc(cloud)
        failing, locked = run_machines(cloud, vxnet, 2)
        cloud.fault("dies", machine=failing, seconds=3600)
        cloud.fault("packages-locked", machine=locked, seconds=3600)
        cloud.done("RestartInstances", instances=[locked])
        eventually(lambda: cloud.machines.failed == {(locked, Component.PACKAGES)})
    clock = LongSleepsHeld(timedelta(minutes=-45))
    with serve_cloud(file=tmp_path / "cloud.db", clock=clock) as cloud:
        eventually(lambda: cloud.machines.is_running(failing))
        assert cloud.machines.failed == {(locked, Component.PACKAGES)}
    clock = LongSleepsHeld(timedelta(minutes=-61))
    with serve_cloud(file=tmp_path / "cloud.db", clock=clock) as cloud:
        eventually(lambda: cloud.machines.is_running(locked) and not cloud.machines.failed)
        eventually(lambda: not cloud.machines.is_running(failing))


def test_reset_empties_the_stored_state(tmp_path: Path) -> None:
    with serve_cloud(file=tmp_path / "cloud.db") as cloud:
        make_network(cloud, 8080)
        cloud.await_on_loop(cloud.iaas.reset())
    with serve_cloud(file=tmp_path / "cloud.db") as cloud:
        assert (cloud.iaas.count_resources(), dict(cloud.iaas.calls)) == ({}, {})


@pytest.mark.parametrize("kind", Resource.__subclasses__(), ids=lambda kind: kind.kind)
def test_every_field_of_every_record_can_be_kept(kind: type[Resource]) -> None:
    record = build(kind)
    document = json.loads(json.dumps(to_document(record)))
    assert from_document(kind, document) == record


@pytest.mark.parametrize("kind", [*Resource.__subclasses__(), Job], ids=lambda kind: kind.__name__)
def test_change_of_any_field_is_noticed_even_in_place(kind: type[Any]) -> None:
    for field in fields(kind):
        record = build(kind)
        before = snapshot(record)
        assert snapshot(record) == before
        match getattr(record, field.name):
            case list() as values:
                values.clear()
            case dict() as values:
                values.clear()
            case set() as values:
                values.clear()
            case _:
                setattr(record, field.name, "another")
        assert snapshot(record) != before, field.name


def test_field_missing_in_a_stored_record_takes_its_default() -> None:
    document = to_document(build(Volume))
    del document["description"]
    assert from_document(Volume, document).description == ""


def build(wanted: Any) -> Any:
    """Return a value of a type, with an item in every collection."""
    if is_dataclass(wanted):
        hints = get_type_hints(wanted)
        given = {f.name: build(hints[f.name]) for f in fields(wanted) if f.init}
        return wanted(**given)  # type: ignore[operator]
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin is tuple and inner[1:] != (...,):
        return tuple(build(one) for one in inner)
    if origin in (list, set, tuple):
        return origin([build(inner[0])])
    if origin is dict:
        return {"key": build(inner[1])}
    if origin is not None:
        return build(inner[0])
    if issubclass(wanted, Enum):
        return next(iter(wanted))
    values = {datetime: datetime(2026, 1, 2, tzinfo=UTC), bytes: bytes(range(256)), str: "word"}
    return values[wanted] if wanted in values else wanted(1)
