"""Run the deployments, until Ctrl-C: `make worker`.

In the foreground, because it acts with your account for as long as it runs; to keep it running,
start the same command from systemd or a container.
"""

import os
import signal
import sys

from prefect.client.orchestration import get_client
from prefect.settings import temporary_settings

from blocks.prefect_server import client_settings, client_variables, running_server
from blocks.settings import environment_with
from deployments._command import print_line, run
from deployments._flags.worker import Flags, app
from deployments._late import drop_late_runs
from deployments.project import ROOT
from deployments.register import POOL
from flows._cli.parsing import parse


def main(flags: Flags) -> None:
    """Replace this process by Prefect's worker for our pool, at the server that answers."""
    url = running_server()
    with temporary_settings(client_settings(url)), get_client(sync_client=True) as client:
        if dropped := drop_late_runs(client):
            print_line(f"Dropped {dropped} scheduled runs that no worker has taken in time")
    print_line(f"Starting a worker for pool {POOL} at {url}; in some seconds its own log begins …")
    words = ["-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"]
    os.chdir(ROOT)
    # Background commands of a script ignore SIGINT, as which Prefect's worker handles SIGTERM: it
    # could then only be killed.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execve(  # noqa: S606 - our own interpreter; signals must reach the worker itself
        sys.executable, [sys.executable, *words], environment_with(client_variables(url))
    )


if __name__ == "__main__":
    run(main, parse(app))
