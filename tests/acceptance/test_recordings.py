"""Every exchange that was once recorded with a real 1.36 API server, with the emulated one.

What is known to differ stands in `known-differences.yaml`, which may only shrink: a difference that
is not in it fails, and so does an entry that no longer holds.
"""

import asyncio
import random

import pytest
import yaml

from localcloud.kubernetes.api.app import App
from localcloud.kubernetes.emulated_plane import EmulatedPlane
from localcloud.kubernetes.objects.kinds import ENDPOINT_SLICE, ENDPOINTS
from tests.localcloud.kubernetes.replay.recorded_nodes import VERSION, start_nodes
from tests.localcloud.kubernetes.replay.replaying import (
    CASES,
    TURNS,
    Exchange,
    Replay,
    read_exchanges,
)
from tests.localcloud.kubernetes.sample_cluster import (
    MASTER,
    MovableClock,
    run,
    running_cluster,
    settle,
)

KNOWN = CASES / "known-differences.yaml"
LEAST_EQUAL = 0.9  # of the exchanges whose bodies can be read


async def replayed(exchanges: list[Exchange]) -> dict[int, list[str]]:
    """The differences by number of the exchange, where there are any."""
    clock = MovableClock()
    found = {}
    async with running_cluster(clock, random.Random(36)) as cluster, asyncio.TaskGroup() as group:
        lives = await start_nodes(group, cluster.api, clock)
        await settle(TURNS)
        # The recorded server had a loopback address, which Endpoints may not hold.
        for kind, name in ((ENDPOINTS, "kubernetes"), (ENDPOINT_SLICE, "kubernetes")):
            await cluster.api.request("DELETE", kind.path("default", name))
        assert isinstance(cluster.plane, EmulatedPlane)
        replay = Replay(App(cluster.plane.server, VERSION, MASTER), clock)
        for exchange in exchanges:
            if differing := await replay.compare(exchange):
                found[exchange.number] = differing
        for life in lives:
            life.cancel()
    return found


def known_differences() -> dict[int, list[str]]:
    entries = yaml.safe_load(KNOWN.read_text(encoding="utf-8"))
    return {
        number: entry["differences"] for entry in entries or () for number in entry["exchanges"]
    }


def test_the_recorded_exchanges_are_answered_as_the_real_server_did(
    capsys: pytest.CaptureFixture[str],
) -> None:
    exchanges = read_exchanges()
    found: dict[int, list[str]] = {}

    async def story() -> None:
        found.update(await replayed(exchanges))

    run(story())
    known = known_differences()
    readable = [one for one in exchanges if one.is_readable]
    equal = [one for one in readable if one.number not in found]
    with capsys.disabled():
        print(
            f"\n{len(exchanges)} exchanges, {len(exchanges) - len(found)} equal, "
            f"{len(found)} known differences "
            f"({len(equal)} of {len(readable)} readable ones equal)"
        )
    fresh = {
        f"{number} {exchanges[number].title}": found[number]
        for number in sorted(found)
        if found[number] != known.get(number)
    }
    assert not fresh, "\n" + yaml.safe_dump(fresh, width=1000, allow_unicode=True)
    assert known == found, f"no longer differ: {sorted(known.keys() - found.keys())}"
    assert len(equal) >= LEAST_EQUAL * len(readable)
