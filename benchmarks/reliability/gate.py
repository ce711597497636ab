"""The gate that every call of a run passes: it counts changing ones, and strikes one of them."""

from collections import Counter
from random import Random
from threading import Lock
from typing import Protocol

from benchmarks.reliability.points import Point, Site, Stage
from benchmarks.reliability.troubles import Side, Trouble


class Strikes(Protocol):
    """Decides which call goes wrong."""

    def trouble(self, site: Site, *, changes: bool) -> Trouble | None: ...


class NoTrouble:
    """Every call passes."""

    def trouble(self, site: Site, *, changes: bool) -> Trouble | None:
        return None


class OnePoint:
    """One call goes wrong, once."""

    def __init__(self, point: Point) -> None:
        self._point = point
        self.has_struck = False

    def trouble(self, site: Site, *, changes: bool) -> Trouble | None:
        if self.has_struck or site != self._point.site:
            return None
        self.has_struck = True
        return self._point.trouble


SHARES = {Side.CLOUD: 0.15, Side.KUBERNETES: 0.15, Side.SSH: 0.02}
"""Of all calls, that go wrong in a storm. A machine is installed by twenty commands and files, all
of one visit: with 2 % each, every third visit is cut."""


class Storm:
    """A share of all calls goes wrong, reads too; a seed repeats the choice."""

    def __init__(self, seed: str) -> None:
        self._chance = Random(seed)

    def trouble(self, site: Site, *, changes: bool) -> Trouble | None:
        if self._chance.random() >= SHARES[site.side]:
            return None
        return self._chance.choice(STORM[site.side] if changes else READ_STORM[site.side])


STORM = {
    Side.CLOUD: (
        Trouble.REQUEST_LOST,
        Trouble.REPLY_LOST,
        Trouble.LATE,
        Trouble.BUSY,
        Trouble.INTERNAL,
        Trouble.INTERNAL_ACTED,
        Trouble.GATEWAY,
        Trouble.GATEWAY_ACTED,
        Trouble.LATER,
        Trouble.TOO_MANY,
        Trouble.GARBLED,
    ),
    Side.KUBERNETES: (Trouble.REQUEST_LOST, Trouble.REPLY_LOST, Trouble.UNAVAILABLE),
    Side.SSH: (Trouble.REQUEST_LOST, Trouble.REPLY_LOST, Trouble.CUT_AMID),
}
READ_STORM = {
    Side.CLOUD: (
        Trouble.REQUEST_LOST,
        Trouble.REPLY_LOST,
        Trouble.BUSY,
        Trouble.INTERNAL,
        Trouble.GATEWAY,
        Trouble.TOO_MANY,
        Trouble.GARBLED,
    ),
    Side.KUBERNETES: (Trouble.REQUEST_LOST, Trouble.REPLY_LOST, Trouble.UNAVAILABLE),
    Side.SSH: (Trouble.REQUEST_LOST,),
}


class Gate:
    """Counts calls by name within one stage, over all runs of its command."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.begin(Stage.PROVISION, NoTrouble())

    def begin(self, stage: Stage, strikes: Strikes) -> None:
        self._stage, self._strikes = stage, strikes
        self._counts: Counter[tuple[Side, str]] = Counter()
        self.sites: list[Site] = []

    def trouble(self, side: Side, name: str, *, changes: bool) -> Trouble | None:
        """Let a call pass. Returns: how it goes wrong, or None."""
        with self._lock:
            self._counts[side, name] += 1
            site = Site(self._stage, side, name, self._counts[side, name])
            if changes:
                self.sites.append(site)
            return self._strikes.trouble(site, changes=changes)
