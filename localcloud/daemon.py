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
from localcloud.home import Habits, Home, LockTaken, Running
from localcloud.iaas.http import iaas_app
from localcloud.iaas.persistence import Persistence
from localcloud.iaas.service import Iaas
from localcloud.iaas.signature import Account
from localcloud.profiles import DEFAULT_PROFILE, PROFILES, Profile
from localcloud.serving import bind_loopback, make_server, url_of

log = logging.getLogger("localcloud")

DAEMON_LOCK = "daemon.lock"
LOCK_PATIENCE = 10.0
"""Seconds that a predecessor, on its way down, may still hold the folder."""


@dataclass(frozen=True, slots=True)
class Nature:
    """How a cloud behaves."""

    profile: Profile
    seed: int
    starts: int

    def chance(self) -> Random:
        """Return the source for one part: repeatable, and another one after each start."""
        seed = f"{self.seed} {self.starts}" if self.starts else self.seed
        return Random(seed)  # noqa: S311 - ids and names, not secrets


@asynccontextmanager
async def assembled(home: Home, nature: Nature) -> AsyncIterator[tuple[Iaas, int]]:
    """Put the parts together: planes, the machines that run them, the API that makes machines.

    Yields the API, and how many machines go on that an earlier daemon has left.
    """
    # Here, so that the API's tests and the command line do without the other two parts.
    from localcloud.kubernetes.planes import Planes
    from localcloud.kubernetes.real.assets import find_assets
    from localcloud.machines.host import Machines

    clock, fabric = WallClock(), Fabric()
    profile, persistence = nature.profile, Persistence(Database(home.database))
    planes = Planes(clock, profile, nature.chance(), assets=find_assets(os.environ))
    machines = Machines(home.machines, fabric, clock, profile, planes)
    account = Account(*home.credentials())
    iaas = Iaas(
        clock,
        profile,
        fabric,
        machines,
        nature.chance(),
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


async def serve(home: Home, nature: Nature) -> None:
    """Run the cloud until a signal or the control door ends it."""
    async with assembled(home, nature) as (iaas, gone_on):
        listener = bind_loopback(home.read_habits().port)
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

        name, seed = nature.profile.name, nature.seed
        control = Control(iaas, running.token, running.endpoint, name, seed, gone_on, stop)
        server = make_server(with_control(iaas_app(iaas), control))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        port = listener.getsockname()[1]
        home.write_habits(Habits(port, name, seed, nature.starts + 1))
        home.write_running(running)
        log.info("listens at %s, profile %s, seed %d", running.url, name, seed)
        log.info("%d machines go on", gone_on)
        try:
            await server.serve(sockets=[listener])
        finally:
            home.forget_running()
    log.info("ended")


def run(home: Home, profile: str, seed: int | None) -> None:
    """Own the folder for as long as the process lives, and go on with what is in it.

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
            nature = _choose(home.read_habits(), profile, seed)
            with suppress(KeyboardInterrupt):
                asyncio.run(serve(home, nature))
    except (LockTaken, Unreadable) as error:
        sys.exit(str(error))


def _choose(habits: Habits, profile: str, seed: int | None) -> Nature:
    known = habits.seed if seed is None else seed
    return Nature(
        profile=PROFILES[profile or habits.profile or DEFAULT_PROFILE],
        seed=secrets.randbelow(2**31) if known is None else known,
        starts=habits.starts,
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
