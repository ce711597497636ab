"""The fault matrix: every kind is put in force, and seen by the vendor's client."""

import http.client
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from localcloud.iaas.faults.fault import BadFault
from localcloud.iaas.faults.kinds import KINDS, read_fault
from localcloud.parts import Component
from localcloud.profiles import PROFILES
from tests.localcloud.iaas.cloud_under_test import (
    SECRET,
    CloudUnderTest,
    HeldClock,
    eventually,
    read_port,
    serve_cloud,
)
from tests.localcloud.iaas.network_under_test import (
    forward,
    machine_request,
    make_eip,
    make_group,
    make_keypair,
    make_network,
    make_vpc,
    private_ip,
    run_machines,
)
from tests.localcloud.iaas.requests_by_hand import exchange_bytes, signed

TAG = {"tag_name": "demo"}
PAUSE = 0.2


def code(answer: dict[str, Any]) -> int:
    return int(answer["ret_code"])


def test_error_refuses_a_matching_action_as_often_as_asked(cloud: CloudUnderTest) -> None:
    cloud.fault("error", action="Create*", code=5100, times=2)
    assert [code(cloud.call("CreateTag", tag_name=f"t{n}")) for n in range(3)] == [5100, 5100, 0]
    assert code(cloud.call("DescribeTags")) == 0
    assert cloud.iaas.count_resources() == {"tag": 1}


def test_error_may_have_words_of_its_own(cloud: CloudUnderTest) -> None:
    words = "PermissionDenied, resource [x] is [updating], please try later"
    cloud.fault("error", code=1400, message=words)
    assert cloud.call("DescribeTags")["message"] == words


def test_share_of_requests_that_fails_is_the_same_every_time(cloud: CloudUnderTest) -> None:
    def outcomes(seed: int) -> list[int]:
        cloud.fault("error", code=5000, share=0.3, seed=seed)
        codes = [code(cloud.call("DescribeTags")) for _ in range(100)]
        cloud.await_on_loop(cloud.iaas.clear_faults())
        return codes

    first = outcomes(seed=1)
    assert first == outcomes(seed=1) != outcomes(seed=2)
    assert 15 <= first.count(5000) <= 45


def test_latency_passes_before_the_request_acts() -> None:
    clock = HeldClock()
    with serve_cloud(clock=clock) as cloud:
        cloud.fault("latency", action="CreateTag", seconds=3600)
        slow = cloud.connect(SECRET)
        creating = threading.Thread(target=slow.send_request, args=("CreateTag", dict(TAG)))
        creating.start()
        eventually(lambda: clock.sleepers)
        assert cloud.ok("DescribeTags")["total_count"] == 0
        clock.is_over = True
        creating.join()
        assert cloud.ok("DescribeTags")["total_count"] == 1


def test_lost_request_leaves_nothing_behind(cloud: CloudUnderTest) -> None:
    cloud.fault("lost-request", action="CreateTag", times=1)
    with pytest.raises((http.client.HTTPException, OSError)):
        cloud.call("CreateTag", **TAG)
    assert cloud.iaas.count_resources() == {}
    cloud.ok("CreateTag", **TAG)


def test_lost_reply_leaves_what_was_asked_for(cloud: CloudUnderTest) -> None:
    cloud.fault("lost-reply", action="CreateTag", times=1)
    with pytest.raises((http.client.HTTPException, OSError)):
        cloud.call("CreateTag", **TAG)
    assert cloud.iaas.count_resources() == {"tag": 1}


def test_bad_gateway_is_no_answer_at_all(cloud: CloudUnderTest) -> None:
    cloud.fault("bad-reply", form="gateway", times=1)
    query = urlencode(signed("CreateTag", "GET", tag_name="demo"))
    status, body = exchange_bytes(cloud, f"/iaas/?{query}")
    assert (status, body[:6]) == (502, b"<html>")
    assert cloud.iaas.count_resources() == {"tag": 1}


def test_empty_reply_is_an_empty_text_to_the_sdk(cloud: CloudUnderTest) -> None:
    cloud.fault("bad-reply", form="empty", times=1)
    assert cloud.sdk.send_request("CreateTag", dict(TAG)) == ""
    assert cloud.iaas.count_resources() == {"tag": 1}


def test_bad_reply_that_is_no_json_breaks_the_sdk(cloud: CloudUnderTest) -> None:
    cloud.fault("bad-reply", form="text", times=1)
    with pytest.raises(AttributeError):
        cloud.call("DescribeTags")


def test_rate_limit_refuses_the_call_too_many_until_the_time_has_passed() -> None:
    clock = HeldClock(behind=timedelta(hours=2))
    with serve_cloud(clock=clock) as cloud:
        cloud.fault("rate-limit", calls=3, seconds=3600)
        codes = [code(cloud.call("DescribeTags")) for _ in range(4)]
        assert codes == [0, 0, 0, 2500]
        clock.behind -= timedelta(minutes=50)
        assert code(cloud.call("DescribeTags")) == 2500
        clock.behind -= timedelta(minutes=11)
        assert code(cloud.call("DescribeTags")) == 0


def test_quota_counts_what_exists_already(cloud: CloudUnderTest) -> None:
    cloud.ok("CreateTag", **TAG)
    fault = cloud.fault("quota", resource="tag", most=1)
    assert code(cloud.call("CreateTag", tag_name="more")) == 2500
    left = cloud.ok("GetQuotaLeft", resource_types=["tag"])["quota_left_set"]
    assert left == [{"resource_type": "tag", "left": 0}]
    cloud.await_on_loop(cloud.iaas.clear_faults(fault))
    cloud.ok("CreateTag", tag_name="more")


def test_stock_out_hits_machines_of_its_type_only(cloud: CloudUnderTest) -> None:
    cloud.fault("stock-out", type="e2.*", zone="local1")
    keypair = make_keypair(cloud)
    request = machine_request(keypair, instance_type="e2.large.r2")
    assert code(cloud.call("RunInstances", **request)) == 5200
    assert cloud.iaas.count_resources() == {"keypair": 1}
    cloud.ok("RunInstances", **machine_request(keypair))


def test_failed_job_leaves_no_machine_and_no_address_in_use(cloud: CloudUnderTest) -> None:
    _, vxnet = make_vpc(cloud)
    free = cloud.one("vxnet", vxnet)["available_ip_count"]
    cloud.fault("job-failure", action="RunInstances", times=1)
    request = machine_request(make_keypair(cloud), vxnets=[vxnet], count=2)
    answer = cloud.ok("RunInstances", **request)
    job = cloud.job(answer)
    assert job["status"] == "failed"
    assert job["error_codes"]
    machines = [cloud.one("instance", one) for one in answer["instances"]]
    assert [(m["status"], m["transition_status"]) for m in machines] == [("ceased", "")] * 2
    assert cloud.one("vxnet", vxnet)["available_ip_count"] == free
    assert "instance" not in cloud.iaas.count_resources()


def test_partly_failed_job_fails_the_first_half(cloud: CloudUnderTest) -> None:
    cloud.fault("job-failure", action="RunInstances", outcome="partly", times=1)
    answer = cloud.ok("RunInstances", **machine_request(make_keypair(cloud), count=4))
    assert cloud.job(answer)["status"] == "done with failure"
    statuses = [cloud.one("instance", one)["status"] for one in answer["instances"]]
    assert statuses == ["ceased", "ceased", "running", "running"]


@pytest.mark.parametrize("outcome", ["failed", "partly"])
def test_job_without_a_resource_in_transition_fails_too(
    cloud: CloudUnderTest, outcome: str
) -> None:
    group = cloud.ok("CreateSecurityGroup", security_group_name="g")["security_group_id"]
    rules = [{"protocol": "tcp", "priority": 1, "val1": 22}]
    cloud.ok("AddSecurityGroupRules", security_group=group, rules=rules)
    cloud.fault("job-failure", action="ApplySecurityGroup", outcome=outcome, times=1)
    job = cloud.job(cloud.ok("ApplySecurityGroup", security_group=group))
    assert job["status"] == {"failed": "failed", "partly": "done with failure"}[outcome]
    assert cloud.one("security_group", group)["is_applied"] == 0


def test_machine_that_never_boots_runs_in_silence_until_it_is_restarted(
    cloud: CloudUnderTest,
) -> None:
    network = make_network(cloud, 10022)
    cloud.fault("never-boots", machine="m", times=1)
    request = machine_request(make_keypair(cloud), vxnets=[network.vxnet])
    (machine,) = cloud.done("RunInstances", **request)["instances"]
    forward(cloud, network, 10022, eventually(lambda: private_ip(cloud, machine)), 22)
    cloud.done("UpdateRouters", routers=[network.router])
    assert cloud.one("instance", machine)["status"] == "running"
    assert read_port(network.address, 10022) == b""
    cloud.done("RestartInstances", instances=[machine])
    eventually(lambda: read_port(network.address, 10022) == machine.encode())


def test_machine_that_dies_falls_silent_and_the_api_does_not_notice(cloud: CloudUnderTest) -> None:
    _, vxnet = make_vpc(cloud)
    first, second = run_machines(cloud, vxnet, count=2)
    cloud.fault("dies", machine=first, seconds=0.05)
    eventually(lambda: not cloud.machines.is_running(first))
    assert cloud.one("instance", first)["status"] == "running"
    assert cloud.machines.is_running(second)


def test_machine_started_later_dies_in_its_own_time() -> None:
    clock = HeldClock()
    with serve_cloud(clock=clock) as cloud:
        _, vxnet = make_vpc(cloud)
        cloud.fault("dies", machine="failing", seconds=3600)
        (failing,) = run_machines(cloud, vxnet, instance_name="failing")
        (other,) = run_machines(cloud, vxnet, instance_name="other")
        clock.is_over = True
        eventually(lambda: not cloud.machines.is_running(failing))
        assert cloud.machines.is_running(other)


def test_cleared_fault_stops_no_further_machine() -> None:
    clock = HeldClock()
    with serve_cloud(clock=clock) as cloud:
        _, vxnet = make_vpc(cloud)
        spared, failing = run_machines(cloud, vxnet, count=2)
        cloud.fault("dies", machine=spared, seconds=3600)
        cloud.await_on_loop(cloud.iaas.clear_faults())
        cloud.fault("dies", machine=failing, seconds=3600)
        clock.is_over = True
        eventually(lambda: not cloud.machines.is_running(failing))
        assert cloud.machines.is_running(spared)


def test_machine_that_never_joins_is_born_without_a_kubelet(cloud: CloudUnderTest) -> None:
    _, vxnet = make_vpc(cloud)
    fault = cloud.fault("never-joins", times=1)
    first, _ = run_machines(cloud, vxnet, count=2)
    assert cloud.machines.failed == {(first, Component.KUBELET)}
    cloud.await_on_loop(cloud.iaas.clear_faults(fault))
    assert cloud.machines.failed == set()


def test_machine_that_updates_itself_first_has_its_packages_locked_for_a_while() -> None:
    clock = HeldClock()
    with serve_cloud(clock=clock) as cloud:
        _, vxnet = make_vpc(cloud)
        cloud.fault("packages-locked", times=1, seconds=3600)
        first, _ = run_machines(cloud, vxnet, count=2)
        assert cloud.machines.failed == {(first, Component.PACKAGES)}
        clock.is_over = True
        eventually(lambda: not cloud.machines.failed)


@pytest.mark.parametrize(
    ("kind", "component"), [("not-ready", Component.KUBELET), ("api-away", Component.API_SERVER)]
)
def test_running_machine_fails_for_a_while(kind: str, component: Component) -> None:
    clock = HeldClock()
    with serve_cloud(clock=clock) as cloud:
        _, vxnet = make_vpc(cloud)
        first, second = run_machines(cloud, vxnet, count=2)
        cloud.fault(kind, machine=second, seconds=3600)
        assert cloud.machines.failed == {(second, component)}
        clock.is_over = True
        eventually(lambda: not cloud.machines.failed)
        cloud.fault(kind, times=1)
        assert cloud.machines.failed == {(first, component)}


def test_router_that_applies_by_itself_needs_no_update(cloud: CloudUnderTest) -> None:
    group = make_group(cloud, 10022)
    router, vxnet = make_vpc(cloud, group)
    (machine,) = run_machines(cloud, vxnet)
    eip = make_eip(cloud)
    cloud.fault("applies-by-itself", seconds=0)
    cloud.ok("ModifyRouterAttributes", router=router, eip=eip)
    static = {"static_type": 1, "val1": 10022, "val2": private_ip(cloud, machine), "val3": 22}
    (static_id,) = cloud.ok("AddRouterStatics", router=router, statics=[static])["router_statics"]
    eventually(lambda: cloud.one("router", router)["is_applied"])
    assert cloud.one("eip", eip)["status"] == "associated"
    assert read_port(cloud.one("eip", eip)["eip_addr"], 10022) == machine.encode()
    cloud.ok("DeleteRouterStatics", router_statics=[static_id])
    eventually(lambda: cloud.one("router", router)["is_applied"])
    assert cloud.one("eip", eip)["status"] == "associated"


def test_router_that_applies_by_itself_keeps_what_it_has_when_the_address_is_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = HeldClock()
    with serve_cloud(clock=clock) as cloud:
        router, _ = make_vpc(cloud)
        eip = make_eip(cloud)
        cloud.fault("applies-by-itself", seconds=3600)
        cloud.ok("ModifyRouterAttributes", router=router, eip=eip)
        cloud.done("ReleaseEips", eips=[eip])
        clock.is_over = True
        eventually(lambda: f"{router} stays unchanged" in caplog.text)
        seen = cloud.one("router", router)
        assert (seen["is_applied"], seen["status"]) == (0, "active")


def test_router_that_applies_by_itself_does_so_after_another_change() -> None:
    class Clock(HeldClock):
        pauses = 0

        async def sleep(self, seconds: float, /) -> None:
            await super().sleep(seconds)
            self.pauses += seconds == PAUSE

    clock = Clock()
    slow = replace(PROFILES["instant"], change_router=HeldClock.LONG * 5)  # the queue is a fifth
    with serve_cloud(slow, clock=clock) as cloud:
        (router,) = cloud.done("CreateRouters", vpc_network="192.168.0.0/16")["routers"]
        (vxnet,) = cloud.ok("CreateVxnets", vxnet_type=1)["vxnets"]
        eip = make_eip(cloud)
        cloud.fault("applies-by-itself", seconds=PAUSE)
        cloud.ok("ModifyRouterAttributes", router=router, eip=eip)
        joining = cloud.ok("JoinRouter", router=router, vxnet=vxnet, ip_network="192.168.1.0/24")
        eventually(lambda: clock.pauses)
        assert cloud.one("router", router)["is_applied"] == 0
        clock.is_over = True
        assert cloud.job(joining)["status"] == "successful"
        eventually(lambda: cloud.one("router", router)["is_applied"])


@pytest.mark.parametrize(("kinds", "vcpus"), [([], 1), (["type-wins"], 2)])
def test_type_beats_cores_and_memory_only_where_that_is_asked(
    cloud: CloudUnderTest, kinds: list[str], vcpus: int
) -> None:
    for kind in kinds:
        cloud.fault(kind)
    asked = {"instance_type": "s1.large.r2", "cpu": 1, "memory": 1024}
    request = machine_request(make_keypair(cloud), **asked)
    (machine,) = cloud.ok("RunInstances", **request)["instances"]
    assert cloud.one("instance", machine)["vcpus_current"] == vcpus


def test_every_kind_is_listed_as_it_can_be_read_again(cloud: CloudUnderTest) -> None:
    needed = {"code": 5100, "seconds": 1, "resource": "tag", "most": 3}
    for kind, record in KINDS.items():
        fields = record.__dataclass_fields__
        cloud.fault(kind, **{name: needed[name] for name in needed if name in fields})
    listed = cloud.iaas.list_faults()
    assert [one["kind"] for one in listed] == list(KINDS)
    for one in listed:
        kept = {key: value for key, value in one.items() if key not in ("id", "strikes")}
        assert read_fault(kept).to_document() == kept


def test_reset_clears_faults(cloud: CloudUnderTest) -> None:
    cloud.fault("error", code=5000)
    cloud.await_on_loop(cloud.iaas.reset())
    assert cloud.iaas.list_faults() == []
    cloud.ok("DescribeTags")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        pytest.param("error", "mapping", id="a word"),
        pytest.param({"kind": "earthquake"}, "one of error, latency", id="unknown kind"),
        pytest.param({"kind": "error"}, "code", id="no code"),
        pytest.param({"kind": "error", "code": "many"}, "code", id="a code that is none"),
        pytest.param({"kind": "error", "code": 5000, "share": 1.5}, "share", id="a share above 1"),
        pytest.param({"kind": "quota", "resource": "cpu", "most": -1}, "most", id="below nothing"),
        pytest.param({"kind": "dies", "action": "*"}, "has no 'action'", id="an unknown field"),
    ],
)
def test_fault_is_refused_when_it_is(document: object, words: str) -> None:
    with pytest.raises(BadFault, match=".*".join(["", words, ""])):
        read_fault(document)
