"""The local cloud's IaaS API in a thread of the test: real HTTP, instant jobs, no machines."""

import asyncio
import random
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import uvicorn

from clients.qingcloud import QingCloud
from clients.qingcloud.clocks import measure_lag
from clients.qingcloud.endpoint import Endpoint, Keys
from clients.qingcloud.reply import Item
from clients.qingcloud.transport import Params, Transport
from localcloud.clock import WallClock
from localcloud.fabric import Fabric
from localcloud.iaas.actions import ACTIONS
from localcloud.iaas.http import LONGEST_HEAD, iaas_app
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.service import Iaas
from localcloud.iaas.signature import Account
from localcloud.parts import Component, MachineSpec
from localcloud.profiles import PROFILES

ACCOUNT = Account("LOCALKEYLOCALKEYLOCA", "local secret")
ZONE = "local1"


class NoMachines:
    """Machines that are on as soon as they are asked to be; nothing runs on them."""

    async def boot(self, spec: MachineSpec) -> None:
        pass

    async def halt(self, instance_id: str) -> None:
        pass

    async def destroy(self, disk_id: str) -> None:
        pass

    async def capture(self, instance_id: str, image_id: str) -> None:
        pass

    async def fail(self, instance_id: str, component: Component) -> None:
        pass

    async def recover(self, instance_id: str, component: Component) -> None:
        pass


class SkewedClock(WallClock):
    """A clock that is behind this machine's."""

    def __init__(self, lag: timedelta) -> None:
        self._lag = lag

    def now(self) -> datetime:
        return super().now() - self._lag

    async def sleep(self, seconds: float) -> None:
        """Jobs end at once: what waits for them waits for a thread's turn, not for a clock."""
        await super().sleep(min(seconds, 0.001))

    def catch_up(self) -> None:
        self._lag = timedelta()


class _Inside(Transport):
    """Reads from a daemon of this process."""

    def __init__(self, daemon: "IaasDaemon") -> None:
        super().__init__(
            ZONE, Keys(ACCOUNT.key_id, ACCOUNT.secret), Endpoint.parse(daemon.endpoint), 60.0
        )
        self._daemon = daemon

    def read(self, action: str, params: Params) -> Item:
        lag = measure_lag(self._daemon.date(), datetime.now(UTC))
        return Item(action, self._daemon.look(action, params), lag=lag)


def _pairs(params: Params) -> list[tuple[str, str]]:
    """Parameters as the SDK sends them: lists are counted from one."""
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        if isinstance(value, str | int | float):
            pairs.append((name, str(value)))
        elif value is not None:
            pairs += [(f"{name}.{place}", str(one)) for place, one in enumerate(value, 1)]
    return pairs


class IaasDaemon:
    """The API in a thread of its own."""

    def __init__(self, account: Account = ACCOUNT, lag: timedelta = timedelta()) -> None:
        """Take how far the cloud's clock is behind this machine's."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._ready = threading.Event()
        self._clock = SkewedClock(lag)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.endpoint = f"http://127.0.0.1:{self._socket.getsockname()[1]}/iaas/"
        self.iaas = Iaas(
            self._clock,
            PROFILES["instant"],
            Fabric(),
            NoMachines(),
            random.Random(7),
            account=account,
            zone=ZONE,
        )

    def __enter__(self) -> "IaasDaemon":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    def onlooker(self) -> QingCloud:
        """A client that only looks, without HTTP: what a test sees of the cloud costs no call."""
        client = QingCloud(ZONE, ACCOUNT.key_id, ACCOUNT.secret, self.endpoint)
        client._transport = _Inside(self)
        return client

    def look(self, action: str, params: Params) -> dict[str, Any]:
        """The answer to a reading call, made in the daemon's thread; no fault strikes it."""

        async def look() -> dict[str, Any]:
            return ACTIONS[action](self.iaas._cloud, Parameters.from_pairs(_pairs(params)))

        return asyncio.run_coroutine_threadsafe(look(), self._loop).result()

    def catch_up(self) -> None:
        """Set the cloud's clock right: what exists is as old as that was behind."""
        self._clock.catch_up()

    def date(self) -> str:
        """The present time of the cloud's clock, as in a reply's header."""
        return format_datetime(self._clock.now(), usegmt=True)

    def _dated(self, app: Any) -> Any:
        """Let replies carry the date of the cloud's clock, as those of an HTTP server do."""

        async def dated(scope: Any, receive: Any, send: Any) -> None:
            async def send_dated(message: Any) -> None:
                if message["type"] == "http.response.start":
                    date = (b"date", self.date().encode())
                    message["headers"] = [*message.get("headers", ()), date]
                await send(message)

            await app(scope, receive, send_dated)

        return dated

    async def _serve(self) -> None:
        config = uvicorn.Config(
            self._dated(iaas_app(self.iaas)),
            date_header=False,
            http="h11",
            lifespan="off",
            log_config=None,
            h11_max_incomplete_event_size=LONGEST_HEAD,
        )
        self._server = uvicorn.Server(config)
        self._loop = asyncio.get_running_loop()
        self._loop.call_soon(self._ready.set)
        await self._server.serve(sockets=[self._socket])
        await self.iaas.close()
