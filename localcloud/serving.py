"""The HTTP server of the local cloud: uvicorn inside a running event loop."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from localcloud.iaas.http import CUT, KEEP_ALIVE, LONGEST_HEAD, Asgi, Receive, Scope, Send


class EmbeddedServer(uvicorn.Server):
    """A server that does not handle the signals of the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class CuttableProtocol(H11Protocol):
    """HTTP whose application may close the connection instead of answering."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        app = self.app

        async def with_cut(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[CUT] = self.transport.abort
            await app(scope, receive, send)

        self.app = with_cut


def make_server(app: Asgi) -> EmbeddedServer:
    """Return a server; `await server.serve(sockets=[…])` runs it until `should_exit` is set."""
    return EmbeddedServer(
        uvicorn.Config(
            app,
            http=CuttableProtocol,
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=LONGEST_HEAD,
        )
    )


def bind_loopback(wanted: int = 0) -> socket.socket:
    """Bind a port of 127.0.0.1: the wanted one if it is free, or any."""
    # The protocol is named, because asyncio sets TCP_NODELAY on such sockets alone; without it
    # every answer waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", wanted))
    except OSError:
        listener.bind(("127.0.0.1", 0))
    listener.listen(256)
    return listener


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"
