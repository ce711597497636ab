"""The wait for a cluster's API server."""

import time

from domain.cluster.api import ClusterApi
from domain.kernel.ensured import Ensured
from domain.kernel.waiting import Clock, wait_for


def wait_for_apiserver(api: ClusterApi, url: str, clock: Clock = time) -> Ensured[str]:
    """Wait until the API server reports that it is ready. Returns: its version."""
    wait_for(
        lambda: True if api.is_ready() else None, what=f"API server at {url} ready", clock=clock
    )
    version = api.read_version()
    return Ensured(version, f"{version} answers at {url}")
