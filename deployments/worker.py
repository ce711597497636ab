"""Run what is deployed, until Ctrl-C: `make worker`.

In the foreground, because it acts with your account for as long as it runs: whoever wants it for
good gives the same command to systemd or to a container.
"""

import os
import signal
import sys

from blocks.settings import environment_with, running_server
from deployments.register import POOL, ROOT
from domain.errors import ClusterError


def main() -> None:
    """Become Prefect's own worker for our pool, at the server that answers."""
    try:
        url = running_server()
    except ClusterError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(2)
    words = ["-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"]
    os.chdir(ROOT)
    # A script's background commands inherit a deaf ear for SIGINT, to which Prefect's worker turns
    # every SIGTERM: it could then only be killed.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execve(  # noqa: S606 - our own interpreter; signals must reach the worker itself
        sys.executable, [sys.executable, *words], environment_with({"PREFECT_API_URL": url})
    )


if __name__ == "__main__":
    main()
