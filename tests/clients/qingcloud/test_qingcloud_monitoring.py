"""The cloud's monitoring: how its packed answers become readings."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clients.qingcloud import QingCloud
from clients.qingcloud.monitoring import unpack
from domain.cloud.records import Instance, InstanceStatus
from domain.observe.metrics.cloud import Reading
from tests.clients.qingcloud.canned_cloud import CannedCloud, Request, ok, refused

EPOCH = 1_391_854_500
START = datetime.fromtimestamp(EPOCH, UTC)
MAC = "52:54:00:aa:bb:cc"
NA = "NA"


def machine(instance_id: str, nic_id: str = MAC) -> Instance:
    return Instance(
        id=instance_id,
        name="k8s.demo.k8s-node",
        status=InstanceStatus.RUNNING,
        transition="",
        vxnet_id="vxnet-1",
        private_ip="192.168.1.17",
        image_id="img",
        type_id="s1.large.r2",
        vcpus=2,
        memory_mib=4096,
        security_group_id="sg-1",
        keypair_ids=(),
        created_at=START,
        nic_id=nic_id,
    )


def at(*seconds: int) -> list[datetime]:
    return [START + timedelta(seconds=one) for one in seconds]


@pytest.mark.parametrize(
    ("data", "seconds", "values"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param([[EPOCH, 3], 4, 5], [0, 300, 600], [3, 4, 5], id="a step between values"),
        pytest.param([[EPOCH, 3], NA, 5], [0, 600], [3, 5], id="NA takes its step"),
        pytest.param([[EPOCH, 3], [900, 4], 5], [0, 900, 1200], [3, 4, 5], id="a longer distance"),
        pytest.param([[EPOCH, 3], [900, NA], 5], [0, 1200], [3, 5], id="a distance to nothing"),
        pytest.param([[EPOCH, NA], 5], [300], [5], id="nothing at the first time"),
        pytest.param([NA, [EPOCH, 3], 4], [0, 300], [3, 4], id="no time before the second item"),
        pytest.param([NA, 4, 5], [], [], id="no time at all"),
        pytest.param([[EPOCH, None], 5], [300], [5], id="null is nothing"),
        pytest.param(
            [[EPOCH, [0, 3]], [0, 3], [200, [1, 2]], NA, [5, NA], [7, 8]],
            [0, 300, 500, 1400],
            [[0, 3], [0, 3], [1, 2], [7, 8]],
            id="pairs, where only a pair inside makes a distance",
        ),
        pytest.param(
            [[EPOCH, "/|35|14|26"], "/|36|15|25", [900, "/|37|16|24"]],
            [0, 300, 1200],
            ["/|35|14|26", "/|36|15|25", "/|37|16|24"],
            id="texts",
        ),
    ],
)
def test_a_packed_series_has_the_documented_times(
    data: list[Any], seconds: list[int], values: list[Any]
) -> None:
    found = list(unpack(data))
    assert [time for time, _ in found] == at(*seconds)
    assert [value for _, value in found] == values


def meter(meter_id: str, *data: Any) -> dict[str, Any]:
    return {"meter_id": meter_id, "data": list(data), "vxnet_id": "", "sequence": 0}


def read(client: QingCloud, *machines: Instance) -> list[Reading]:
    return client.read_machine_metrics(machines, START, START + timedelta(minutes=15))


def test_meters_are_converted_to_our_metrics_and_units(
    canned: CannedCloud, client: QingCloud
) -> None:
    meters = [
        meter("cpu", [EPOCH, 215]),
        meter("memory", [EPOCH, 1000]),
        meter("disk-os", [EPOCH, [10, 20]]),
        meter("disk-us-os", [EPOCH, "/|35|14336|26624"]),
        meter(MAC, [EPOCH, [1, 2]]),
        meter("a meter of tomorrow", [EPOCH, 1]),
    ]
    canned.script = lambda _: ok(resource_id="i-one", meter_set=meters)
    assert [(one.metric, one.value) for one in read(client, machine("i-one"))] == [
        ("cpu", 21.5),
        ("memory", 100.0),
        ("diskRead", 10.0),
        ("diskWrite", 20.0),
        ("diskUsed", 35.0),
        ("networkIn", 1.0),
        ("networkOut", 2.0),
    ]


@pytest.mark.parametrize(
    ("meter_id", "value"),
    [("cpu", "high"), ("cpu", True), ("disk-os", 7), ("disk-us-os", "/"), ("disk-us-os", "/|x|1")],
)
def test_value_of_another_shape_is_ignored(
    canned: CannedCloud, client: QingCloud, meter_id: str, value: Any
) -> None:
    canned.script = lambda _: ok(
        resource_id="i-one", meter_set=[meter(meter_id, [EPOCH, value]), meter("cpu", [EPOCH, 5])]
    )
    assert [one.value for one in read(client, machine("i-one"))] == [0.5]


def test_one_machine_is_read_with_all_its_meters(canned: CannedCloud, client: QingCloud) -> None:
    canned.script = lambda _: ok(resource_id="i-one", meter_set=[])
    read(client, machine("i-one", MAC.upper()))
    (request,) = canned.requests
    assert request.action == "GetMonitor"
    params = request.own_params
    assert [params[f"meters.{n}"] for n in range(1, 6)] == [
        "cpu",
        "memory",
        "disk-os",
        "disk-us-os",
        f"if-{MAC}",
    ]
    assert params["step"] == "5m"
    assert (params["start_time"], params["end_time"]) == (
        "2014-02-08T10:15:00Z",
        "2014-02-08T10:30:00Z",
    )


def many(request: Request) -> list[str]:
    """The machines of a GetMonitors request, after a check of its meters."""
    pairs = [name for name in request.own_params if name.endswith(".resource")]
    for name in pairs:
        meters = json.loads(request.own_params[name.replace(".resource", ".meters")])
        assert meters[:2] == ["cpu", "memory"]
    return [request.own_params[name] for name in pairs]


def answer(request: Request) -> Any:
    sets = [{"resource_id": one, "meter_set": [meter("cpu", [EPOCH, 10])]} for one in many(request)]
    return ok(monitors=sets)


def test_250_machines_take_three_calls(canned: CannedCloud, client: QingCloud) -> None:
    canned.script = answer
    found = read(client, *(machine(f"i-{n}", "") for n in range(250)))
    assert len({one.instance_id for one in found}) == 250
    assert [len(many(request)) for request in canned.requests] == [100, 100, 50]
    assert {request.action for request in canned.requests} == {"GetMonitors"}


def test_deleted_machine_does_not_hide_the_others(canned: CannedCloud, client: QingCloud) -> None:
    def script(request: Request) -> Any:
        if "i-gone" in request.own_params.values():
            return refused(2100, "resource [i-gone] not found")
        if request.action == "GetMonitor":
            one = request.own_params["resource"]
            return ok(resource_id=one, meter_set=[meter("cpu", [EPOCH, 10])])
        return answer(request)

    canned.script = script
    found = read(client, *(machine(one) for one in ("i-a", "i-b", "i-gone", "i-c", "i-d")))
    assert {one.instance_id for one in found} == {"i-a", "i-b", "i-c", "i-d"}


def test_no_call_is_made_without_machines(canned: CannedCloud, client: QingCloud) -> None:
    assert read(client) == []
    assert canned.requests == []
