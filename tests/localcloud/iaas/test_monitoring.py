"""Monitoring: its steps, its packing, and that the vendor's decoder understands it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from qingcloud.iaas.monitor import MonitorProcessor

from localcloud.clock import stamp
from localcloud.iaas.load import Value
from localcloud.iaas.readings import STEPS, pack
from tests.localcloud.iaas.cloud_under_test import (
    CloudUnderTest,
    HeldClock,
    eventually,
    serve_cloud,
)
from tests.localcloud.iaas.network_under_test import (
    listen,
    make_balancer,
    make_eip,
    make_vpc,
    run_machines,
)

AGE = timedelta(days=40)


@pytest.fixture(scope="module")
def old() -> Iterator[tuple[CloudUnderTest, str]]:
    """A cloud with a machine that is forty days old."""
    clock = HeldClock(behind=AGE)
    with serve_cloud(clock=clock) as cloud:
        _, vxnet = make_vpc(cloud)
        (machine,) = run_machines(cloud, vxnet)
        clock.behind = timedelta(0)
        yield cloud, machine


def ask(cloud: CloudUnderTest, resource: str, *meters: str, **changes: Any) -> dict[str, Any]:
    return cloud.call("GetMonitor", resource=resource, meters=list(meters), **span(**changes))


def span(step: str = "5m", days: float = 1.0, **changes: Any) -> dict[str, Any]:
    end = datetime.now(UTC)
    return {
        "step": step,
        "start_time": stamp(end - timedelta(days=days)),
        "end_time": stamp(end),
    } | (changes)


def unpacked(data: list[Any], step: str) -> list[list[Any]]:
    """Decode a series with the vendor's decoder."""
    start = datetime.fromtimestamp(data[0][0], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    processor = MonitorProcessor([{"data": data}], start, start, step)
    processor.start_time = data[0][0]  # its own reading depends on the time zone of this machine
    (meter,) = processor.decompress_monitoring_data()
    return list(meter["data"])


def test_processor_and_memory_are_per_mille_and_repeatable(old: tuple[CloudUnderTest, str]) -> None:
    cloud, machine = old
    when = span()
    first, again = (
        cloud.ok("GetMonitor", resource=machine, meters=["cpu", "memory"], **when) for _ in range(2)
    )
    assert first == again
    assert first["resource_id"] == machine
    for meter in first["meter_set"]:
        values = [value for _, value in unpacked(meter["data"], "5m") if value is not None]
        assert 250 < len(values) <= 289
        assert all(0 <= value <= 1000 for value in values)
        assert len(set(values)) > 20


@pytest.mark.parametrize("step", STEPS)
def test_readings_are_a_step_apart_and_the_fine_ones_go_back_a_fortnight(
    old: tuple[CloudUnderTest, str], step: str
) -> None:
    cloud, machine = old
    (meter,) = ask(cloud, machine, "cpu", step=step, days=60)["meter_set"]
    times = [time for time, _ in unpacked(meter["data"], step)]
    seconds = STEPS[step]
    assert all(time % seconds == 0 for time in times)
    assert [b - a for a, b in pairwise(times)] == [seconds] * (len(times) - 1)
    days = (times[-1] - times[0]) / 86_400
    assert 13 < days <= 15 if step not in ("2h", "1d") else 37 < days <= 40


def test_gaps_and_readings_without_a_value_occur(old: tuple[CloudUnderTest, str]) -> None:
    cloud, machine = old
    (meter,) = ask(cloud, machine, "cpu", days=15)["meter_set"]
    items = meter["data"]
    assert "NA" in items
    offsets = [item for item in items[1:] if isinstance(item, list)]
    assert offsets
    assert all(offset % 300 == 0 and offset > 300 for offset, _ in offsets)
    assert None in [value for _, value in unpacked(items, "5m")]


def test_pairs_texts_and_cards_look_like_the_real_ones(old: tuple[CloudUnderTest, str]) -> None:
    cloud, machine = old
    card = cloud.one("instance", machine)["vxnets"][0]
    answer = ask(cloud, machine, "disk-os", "disk-us-os", f"if-{card['nic_id']}", days=0.1)
    disk, usage, network = answer["meter_set"]
    assert len(disk["data"][0][1]) == 2
    path, percent, used, free = usage["data"][0][1].split("|")
    assert path == "/"
    assert abs(int(percent) - 100 * int(used) / (int(used) + int(free))) < 1
    assert (network["meter_id"], network["vxnet_id"]) == (card["nic_id"], card["vxnet_id"])


def test_many_machines_are_read_in_one_call(old: tuple[CloudUnderTest, str]) -> None:
    cloud, machine = old
    pairs = [{"resource": machine, "meters": json.dumps(["cpu", "memory"])}]
    (seen,) = cloud.ok("GetMonitors", resource_meters_pairs=pairs, **span())["monitors"]
    assert seen["resource_id"] == machine
    assert [meter["meter_id"] for meter in seen["meter_set"]] == ["cpu", "memory"]
    bad = [{"resource": machine, "meters": "cpu"}]
    assert cloud.call("GetMonitors", resource_meters_pairs=bad, **span())["ret_code"] == 1100
    many = pairs * 101
    assert cloud.call("GetMonitors", resource_meters_pairs=many, **span())["ret_code"] == 1100


def test_balancer_and_listener_are_monitored_by_address_and_by_request(
    cloud: CloudUnderTest,
) -> None:
    router, vxnet = make_vpc(cloud)
    balancer = make_balancer(cloud, vxnet)
    eip = make_eip(cloud)
    cloud.done("AssociateEipsToLoadBalancer", loadbalancer=balancer, eips=[eip])
    eventually(lambda: cloud.one("eip", eip)["status"] == "associated")
    listener = listen(cloud, balancer, 8080, [])

    def read(resource: str, meter: str) -> dict[str, Any]:
        return cloud.call("GetLoadBalancerMonitor", resource=resource, meters=[meter], **span())

    (traffic,) = read(balancer, "traffic")["meter_set"]
    assert [part["eip_id"] for part in traffic["data_set"]] == [eip]
    (requests,) = read(listener, "request")["meter_set"]
    assert len(requests["data_set"][0]["data"]) <= 1  # it has just been made
    assert read(listener, "traffic")["ret_code"] == 1100
    assert ask(cloud, router, "vxnet-0", vxnet)["ret_code"] == 0
    assert ask(cloud, eip, "traffic", "flow")["ret_code"] == 0


@pytest.mark.parametrize(
    ("changes", "ret_code"),
    [
        pytest.param({"resource": "i-none"}, 2100, id="an unknown resource"),
        pytest.param({"meters": ["love"]}, 1100, id="an unknown meter"),
        pytest.param({"meters": []}, 1100, id="no meter"),
        pytest.param({"step": "7m"}, 1100, id="an unknown step"),
        pytest.param({"start_time": "yesterday"}, 1100, id="a time that is none"),
        pytest.param({"start_time": "2999-01-01T00:00:00Z"}, 1100, id="the wrong way round"),
    ],
)
def test_monitoring_is_refused_for(
    old: tuple[CloudUnderTest, str], changes: dict[str, Any], ret_code: int
) -> None:
    cloud, machine = old
    request = {"resource": machine, "meters": ["cpu"], **span()} | changes
    assert cloud.call("GetMonitor", **request)["ret_code"] == ret_code


def test_packed_series_begins_with_its_first_value_and_names_its_gaps() -> None:
    series: list[tuple[int, Value | None]] = [
        (0, None),
        (300, 7),
        (600, 8),
        (900, None),
        (1800, 9),
        (2100, [1, 2]),
    ]
    assert pack(series, 300) == [[300, 7], 8, "NA", [900, 9], [1, 2]]
