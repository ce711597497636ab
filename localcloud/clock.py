"""The clock of the local cloud."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The time functions of the local cloud, which a test can control."""

    def now(self) -> datetime: ...
    async def sleep(self, seconds: float, /) -> None: ...


class WallClock:
    """The time of this machine."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC)

    async def sleep(self, seconds: float, /) -> None:
        await asyncio.sleep(seconds)


def stamp(moment: datetime) -> str:
    """Format a time as both APIs do: UTC, whole seconds, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
