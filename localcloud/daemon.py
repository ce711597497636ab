"""The daemon: one process, one event loop, all parts of one local cloud.

Started by `python -m localcloud up`, never by hand.
"""

import argparse
import asyncio
import logging
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from localcloud.clock import WallClock
from localcloud.control import Control, with_control
from localcloud.database import Database, Unreadable
from localcloud.fabric import Fabric
from localcloud.home import Home, LockTaken, Running, StartSettings
from localcloud.iaas.http import iaas_app
from localcloud.iaas.persistence import Persistence
from localcloud.iaas.service import Iaas
from localcloud.iaas.signature import Account
from localcloud.profiles import DEFAULT_PROFILE, PROFILES, Profile
from localcloud.serving import bind_loopback, make_server, url_of

log = logging.getLogger("localcloud")

DAEMON_LOCK = "daemon.lock"
LOCK_PATIENCE = 10.0
"""Seconds that an ending daemon may still hold the folder."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The profile and the seed of a cloud."""

    profile: Profile
    seed: int
    starts: int

    def chance(self) -> Random:
        """Return a random source: repeatable, and different after each start."""
        seed = f"{self.seed} {self.starts}" if self.starts else self.seed
        return Random(seed)  # noqa: S311 - ids and names, not secrets


@asynccontextmanager
async def assembled(home: Home, behaviour: Behaviour) -> AsyncIterator[tuple[Iaas, int]]:
    """Build the cloud: planes, the machines that run them, the API that creates machines.

    Yields the API, and the number of resumed machines.
    """
    # Imported here, so that the API's tests and the command line do not load the other parts.
    from localcloud.kubernetes.planes import Planes
    from localcloud.kubernetes.real.assets import find_assets
    from localcloud.machines.host import Machines

    clock, fabric = WallClock(), Fabric()
    profile, persistence = behaviour.profile, Persistence(Database(home.database))
    planes = Planes(clock, profile, behaviour.chance(), assets=find_assets(os.environ))
    machines = Machines(home.machines, fabric, clock, profile, planes)
    account = Account(*home.credentials())
    iaas = Iaas(
        clock,
        profile,
        fabric,
        machines,
        behaviour.chance(),
        account=account,
        persistence=persistence,
        name=str(home.root),
    )
    try:
        count = await iaas.resume()
        machines.erase_unknown(iaas.disk_ids())
        yield iaas, count
    finally:
        await iaas.close()
        await machines.close()


async def serve(home: Home, behaviour: Behaviour) -> None:
    """Run the cloud until a signal or a control request ends it."""
    async with assembled(home, behaviour) as (iaas, resumed):
        listener = bind_loopback(home.read_settings().port)
        running = Running(
            pid=os.getpid(),
            url=url_of(listener),
            zone=iaas.zone,
            key_id=iaas.account.key_id,
            token=secrets.token_urlsafe(30),
            secret=iaas.account.secret,
        )

        def stop() -> None:
            server.should_exit = True

        name, seed = behaviour.profile.name, behaviour.seed
        control = Control(iaas, running.token, running.endpoint, name, seed, resumed, stop)
        server = make_server(with_control(iaas_app(iaas), control))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        port = listener.getsockname()[1]
        home.write_settings(StartSettings(port, name, seed, behaviour.starts + 1))
        home.write_running(running)
        log.info("listens at %s, profile %s, seed %d", running.url, name, seed)
        log.info("%d machines resumed", resumed)
        try:
            await server.serve(sockets=[listener])
        finally:
            home.forget_running()
    log.info("ended")


def run(home: Home, profile: str, seed: int | None) -> None:
    """Lock the folder for the life of the process, and resume its cloud.

    Args:
        profile, seed: empty and None take those of the last start.
    """
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for name in ("asyncssh", "httpx"):  # both log each connection or request
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        with home.lock(DAEMON_LOCK, LOCK_PATIENCE):
            home.machines.mkdir(mode=0o700, exist_ok=True)
            behaviour = _choose(home.read_settings(), profile, seed)
            with suppress(KeyboardInterrupt):
                asyncio.run(serve(home, behaviour))
    except (LockTaken, Unreadable) as error:
        sys.exit(str(error))


def _choose(settings: StartSettings, profile: str, seed: int | None) -> Behaviour:
    known = settings.seed if seed is None else seed
    return Behaviour(
        profile=PROFILES[profile or settings.profile or DEFAULT_PROFILE],
        seed=secrets.randbelow(2**31) if known is None else known,
        starts=settings.starts,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="")
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    run(Home(options.home), options.profile, options.seed)


if __name__ == "__main__":
    main()
