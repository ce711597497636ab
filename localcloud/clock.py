"""Time as the local cloud sees it."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the parts of the local cloud may ask of time, so that a test can move it."""

    def now(self) -> datetime: ...
    async def sleep(self, seconds: float, /) -> None: ...


class WallClock:
    """The time of this machine."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC)

    async def sleep(self, seconds: float, /) -> None:
        await asyncio.sleep(seconds)


def stamp(moment: datetime) -> str:
    """Write a moment as both APIs do: UTC, whole seconds, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
