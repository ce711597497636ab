"""The cloud's monitoring: many machines per call, and the decoding of its packed series.

Source: the API's page of GetMonitor with its section on packing, and the SDK's decoder.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from clients.qingcloud.calls import Calls
from clients.qingcloud.paging import read_existing
from clients.qingcloud.reply import Item
from clients.qingcloud.transport import Params, Scalar
from domain.cloud.records import Instance
from domain.observe.metrics.cloud import STEP, Reading

NO_VALUE = "NA"
LONG_AGO = 1_000_000_000
"""An epoch second; numbers below it are offsets."""

PAIRS = {"disk-os": ("diskRead", "diskWrite")}
OF_CARD = ("networkIn", "networkOut")
PER_MILLE = ("cpu", "memory")
DISK_USE = "disk-us-os"


class MonitoringCalls(Calls):
    def read_machine_metrics(
        self, machines: Sequence[Instance], since: datetime, until: datetime
    ) -> list[Reading]:
        """Read CPU, memory, system disk and network of machines, a hundred per call.

        Machines and values that are unknown to the cloud are left out: memory and disk space need
        the cloud's agent in the machine.
        """
        lag = self._transport.lag
        span = _span(since - lag, until - lag)
        found = read_existing(machines, lambda some: self._monitors(some, span))
        return [reading for monitor in found for reading in _readings(monitor, lag)]

    def _monitors(self, machines: Sequence[Instance], span: Mapping[str, str]) -> list[Item]:
        if len(machines) == 1:
            [machine] = machines
            params: Params = {"resource": machine.id, "meters": _meters(machine), **span}
            return [self._transport.read("GetMonitor", params)]
        pairs: list[Mapping[str, Scalar]] = [
            {"resource": machine.id, "meters": json.dumps(_meters(machine))} for machine in machines
        ]
        params = {"resource_meters_pairs": pairs, **span}
        reply = self._transport.read("GetMonitors", params)
        # The documents show no answer of this call, so the list of sets is found by its content.
        lists = [name for name, value in reply.data.items() if _holds_meters(value)]
        return reply.items(lists[0]) if lists else []


def unpack(data: Sequence[Any]) -> Iterator[tuple[datetime, Any]]:
    """Yield the values of a packed series with their times, without missing ones.

    The first item is `[epoch, value]`. After it come bare values, each five minutes after the one
    before, and `[seconds, value]` where it is another distance. A value may be a pair, so that an
    item of a series of pairs is a distance only when its second half is a pair itself.
    """
    time: float | None = None
    pairs = False
    step = STEP.total_seconds()
    for item in data:
        value = item
        if time is None:
            if not (_is_couple(item) and _is_number(item[0]) and item[0] >= LONG_AGO):
                continue  # the time is unknown
            time, value = float(item[0]), item[1]
            pairs = isinstance(value, list)
        elif _is_couple(item) and (not pairs or isinstance(item[1], list)):
            time, value = time + float(item[0]), item[1]
        else:
            time += step
        parts = value if isinstance(value, list) else [value]
        if NO_VALUE not in parts and None not in parts:
            yield datetime.fromtimestamp(time, UTC), value


def _readings(monitor: Item, lag: timedelta) -> Iterator[Reading]:
    instance_id = monitor.text("resource_id")
    for meter in monitor.items("meter_set"):
        data = meter.data.get("data")
        for time, value in unpack(data if isinstance(data, list) else ()):
            for metric, number in _numbers(meter.text("meter_id"), value):
                yield Reading(instance_id, metric, time + lag, number)


def _numbers(meter: str, value: Any) -> Iterator[tuple[str, float]]:
    """Convert a meter's value to our metrics and units; another shape gives nothing."""
    if meter in PER_MILLE:
        if _is_number(value):
            yield meter, value / 10
    elif meter == DISK_USE:
        # path|percent|used MB|free MB
        fields = value.split("|") if isinstance(value, str) else []
        if len(fields) > 1 and fields[1].replace(".", "", 1).isdigit():
            yield "diskUsed", float(fields[1])
    elif (meter in PAIRS or _is_card(meter)) and _is_couple(value) and all(map(_is_number, value)):
        yield from zip(PAIRS.get(meter, OF_CARD), map(float, value), strict=True)


def _meters(machine: Instance) -> list[str]:
    meters = [*PER_MILLE, *PAIRS, DISK_USE]
    return [*meters, f"if-{machine.nic_id.lower()}"] if machine.nic_id else meters


def _span(since: datetime, until: datetime) -> dict[str, str]:
    form = "%Y-%m-%dT%H:%M:%SZ"
    return {
        "step": f"{STEP.total_seconds() / 60:.0f}m",
        "start_time": since.astimezone(UTC).strftime(form),
        "end_time": until.astimezone(UTC).strftime(form),
    }


def _holds_meters(value: Any) -> bool:
    return isinstance(value, list) and any(
        isinstance(one, dict) and "meter_set" in one for one in value
    )


def _is_card(meter: str) -> bool:
    """Whether a meter is a network card: the request has the prefix `if-`, the answer has not."""
    return meter.removeprefix("if-").count(":") == 5


def _is_couple(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
