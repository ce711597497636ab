"""How many acknowledged changes of Kubernetes objects a killed local cloud loses."""

import time
from contextlib import closing
from functools import partial
from random import Random
from threading import Event, Thread

from benchmarks.reliability.gate import NoTrouble
from benchmarks.reliability.ground import Ground
from benchmarks.reliability.holdings import connect
from benchmarks.reliability.points import Stage
from clients.kubernetes import ClusterClient
from domain.kernel.errors import ClusterError
from domain.kernel.waiting import wait_for

LONGEST_LIFE = 2.0
"""Seconds of writing before a kill, at most."""


class Writer:
    """Creates objects as fast as they are acknowledged, until it is stopped or cut off."""

    def __init__(self, api: ClusterClient, round_: int) -> None:
        self._api, self._round = api, round_
        self._over = Event()
        self.acknowledged: dict[str, float] = {}
        self._thread = Thread(target=self._write)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _write(self) -> None:
        number = 0
        while not self._over.is_set():
            name = f"kept-{self._round}-{number}"
            metadata = {"name": name, "namespace": "default"}
            try:
                self._api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
            except ClusterError:
                return
            self.acknowledged[name] = time.monotonic()
            number += 1


def _ready(api: ClusterClient) -> bool | None:
    return api.is_ready() or None


def kill_and_count(ground: Ground, kills: int, seed: int) -> int:
    """Kill the local cloud while a client writes, so often. Returns: the exit code."""
    chance = Random(seed)
    ground.gate.begin(Stage.PROVISION, NoTrouble())
    if error := ground.run(Stage.PROVISION).error:
        print(f"provision without trouble failed: {error}")
        return 1
    total, lost = 0, 0
    for round_ in range(1, kills + 1):
        with closing(connect(ground)) as api:
            writer = Writer(api, round_)
            time.sleep(chance.uniform(0, LONGEST_LIFE))
            killed = time.monotonic()
            ground.restart_cloud()
            writer.stop()
            wait_for(partial(_ready, api), what="the API server")
            gone = [
                (killed - moment) * 1000
                for name, moment in writer.acknowledged.items()
                if api.read("ConfigMap", name, "default") is None
            ]
        total, lost = total + len(writer.acknowledged), lost + len(gone)
        words = f", the oldest {max(gone):.0f} ms before the kill" if gone else ""
        print(
            f"kill {round_}: {len(writer.acknowledged)} acknowledged, {len(gone)} lost{words}",
            flush=True,
        )
    print(f"{kills} kills, {total} changes acknowledged, {lost} lost")
    return int(lost > 0)
