"""The loop of a controller: it syncs at each change of what it watches, and after failures."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from localcloud.kubernetes.client.events import EventRecorder
from localcloud.kubernetes.client.informer import Informer, Informers
from localcloud.kubernetes.programs.place import Place

AGAIN = 2.0
"""Seconds before what has failed is tried again."""


class Controller:
    """What the controllers of both programs share: clients, events, and the loop."""

    def __init__(self, place: Place, reporter: str) -> None:
        """Take the program's place, and the name under which it records events."""
        self._place = place
        self._api = place.api
        self._events = EventRecorder(place.api, place.clock, reporter)
        self._informers = Informers(place.api)
        self._changed = asyncio.Event()

    async def _run(
        self,
        watched: Iterable[Informer],
        sync: Callable[[asyncio.TaskGroup], Awaitable[None]],
    ) -> None:
        """Sync at each change, until cancelled."""
        for informer in watched:
            informer.on_change(lambda before, after: self._changed.set())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run())
            await self._informers.run(group)
            while True:
                await self._changed.wait()
                self._changed.clear()
                await sync(group)

    async def _wake_later(self) -> None:
        await self._place.clock.sleep(AGAIN)
        self._changed.set()
