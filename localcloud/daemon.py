"""The daemon: one process, one event loop, all parts of one local cloud.

Started by `python -m localcloud up`, never by hand.
"""

import argparse
import asyncio
import logging
import os
import secrets
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

from localcloud.clock import WallClock
from localcloud.control import Control, with_control
from localcloud.fabric import Fabric
from localcloud.home import Home, LockTaken, Running
from localcloud.iaas.http import iaas_app
from localcloud.iaas.service import Iaas
from localcloud.iaas.signature import Account
from localcloud.profiles import PROFILES, Profile
from localcloud.serving import bind_loopback, make_server, url_of

log = logging.getLogger("localcloud")

DAEMON_LOCK = "daemon.lock"
LOCK_PATIENCE = 10.0
"""Seconds that a predecessor, on its way down, may still hold the folder."""


@asynccontextmanager
async def assembled(home: Home, profile: Profile, seed: int) -> AsyncIterator[Iaas]:
    """Put the parts together: planes, the machines that run them, the API that makes machines."""
    # Here, so that the API's tests and the command line do without the other two parts.
    from localcloud.kubernetes.planes import Planes
    from localcloud.machines.host import Machines

    clock, fabric = WallClock(), Fabric()
    planes = Planes(clock, profile, Random(seed))  # noqa: S311 - names, not secrets
    machines = Machines(home.machines, fabric, clock, profile, planes)
    account = Account(*home.credentials())
    chance = Random(seed)  # noqa: S311 - ids, not secrets
    iaas = Iaas(clock, profile, fabric, machines, chance, account=account)
    try:
        yield iaas
    finally:
        await iaas.close()
        await machines.close()


async def serve(home: Home, profile: Profile, seed: int) -> None:
    """Run the cloud until a signal or the control door ends it."""
    async with assembled(home, profile, seed) as iaas:
        listener = bind_loopback()
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

        control = Control(iaas, running.token, running.endpoint, profile.name, seed, stop)
        server = make_server(with_control(iaas_app(iaas), control))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        home.write_running(running)
        log.info("listens at %s, profile %s, seed %d", running.url, profile.name, seed)
        try:
            await server.serve(sockets=[listener])
        finally:
            home.forget_running()
    log.info("ended")


def run(home: Home, profile: Profile, seed: int) -> None:
    """Own the folder for as long as the process lives, and start with an empty cloud."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    try:
        with home.lock(DAEMON_LOCK, LOCK_PATIENCE):
            # Machines of a daemon that was killed; their cloud is gone, so they are nobody's.
            shutil.rmtree(home.machines, ignore_errors=True)
            home.machines.mkdir(mode=0o700)
            with suppress(KeyboardInterrupt):
                asyncio.run(serve(home, profile, seed))
    except LockTaken as error:
        sys.exit(str(error))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--profile", choices=sorted(PROFILES), required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    run(Home(options.home), PROFILES[options.profile], options.seed)


if __name__ == "__main__":
    main()
