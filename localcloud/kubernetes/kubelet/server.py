"""The kubelet's own HTTPS server, from which a real API server reads logs."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from localcloud import pki
from localcloud.kubernetes.access.tls import server_tls
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.pods.http import Reply, Request, serve_connection
from localcloud.kubernetes.pods.log import read_log

PORT = 10250

Pods = Callable[[], list[dict[str, Any]]]
"""Returns the pods of a node, in their last known state."""


class KubeletServer:
    """Serves connections to a kubelet: the logs of its pods."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods
        self._connections: set[asyncio.Task[None]] = set()

    def accept(self, connection: socket.socket, peer: str) -> None:
        """Serve one TLS connection until it ends."""
        work = serve_connection(connection, self._answer, _tls())
        task = asyncio.get_running_loop().create_task(work, name="connection to a kubelet")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def close(self) -> None:
        """End all connections."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _answer(self, request: Request) -> Reply:
        match request.path.strip("/").split("/"):
            case ["containerLogs", namespace, name, container]:
                return self._log(namespace, name, container, dict(parse_qsl(request.query)))
            case _:
                return _text(501, f"{request.path} is not emulated: pods here run no processes\n")

    def _log(self, namespace: str, name: str, container: str, query: dict[str, str]) -> Reply:
        for pod in self._pods():
            metadata = pod["metadata"]
            if (metadata["namespace"], metadata["name"]) == (namespace, name):
                try:
                    return _text(200, read_log(pod, container, query))
                except ApiFailure as failure:
                    return _text(failure.status, f"{failure.message}\n")
        return _text(404, f'pod "{name}" does not run on this node\n')


def _text(status: int, text: str) -> Reply:
    return Reply(status, {"content-type": "text/plain; charset=utf-8"}, text.encode())


@cache
def _tls() -> ssl.SSLContext:
    """Return a context with a self-signed certificate, the default of kubelets."""
    return server_tls(pki.make_authority(datetime.now(UTC)))
