"""Servers between a run and what it talks to; they deliver its calls, or strike them."""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Lock, Thread
from typing import Any, Protocol

from benchmarks.reliability.gate import Gate
from benchmarks.reliability.troubles import ACTED, KILLS, LATE, Side, Trouble
from benchmarks.reliability.wires import Answer, Request, Wire

CHUNK = 64 * 1024
CLIENT_PATIENCE = 60.0
"""Seconds after which a connection that the client has given up counts as closed."""

LATE_BY = 75.0
AWAY_FOR = 60.0


class Place(Protocol):
    """What strikes act on."""

    @property
    def gate(self) -> Gate: ...

    def kill_run(self) -> None:
        """End the run's process with SIGKILL, and wait until it is gone."""
        ...

    def restart_cloud(self) -> None:
        """End the local cloud with SIGKILL, and start it again."""
        ...

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """Call `act` when the run's clock has moved on by so much."""
        ...

    def send_away(self, side: Side, seconds: float) -> None:
        """Cut all connections of a side, and accept none for so long."""
        ...

    def is_away(self, side: Side) -> bool: ...


class Connections:
    """The open connections of one relay."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: set[socket.socket] = set()

    def add(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)

    def discard(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)

    def cut(self) -> None:
        with self._lock:
            found = list(self._open)
        for connection in found:
            close(connection)


def close(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        connection.close()


class HttpRelay(ThreadingHTTPServer):
    """Stands before one API."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, address: str, wire: Wire, place: Place, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__((address, 0), _Handler)
        self.wire, self.place = wire, place
        self.connections = Connections()
        self.earlier: dict[str, Answer] = {}
        self._tls = tls
        Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def get_request(self) -> tuple[Any, Any]:
        connection, client = super().get_request()
        if self._tls:
            # The handshake happens at the first read, in the connection's own thread.
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        self.connections.add(connection)
        return connection, client

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self.place.is_away(self.wire.side)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        close(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Do nothing: a client that is gone, or was cut off."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpRelay

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        self._serve(Request(self.command, self.path, dict(self.headers.items()), body))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _serve(self, request: Request) -> None:
        relay, wire = self.server, self.server.wire
        name, changes = wire.name(request)
        trouble = relay.place.gate.trouble(wire.side, name, changes=changes)
        try:
            if trouble is None:
                answer = wire.deliver(request)
                relay.earlier[name] = answer
                self._send(answer)
            else:
                self._strike(trouble, request, name)
        except (OSError, HTTPException):  # of the API: it is away, and so are we
            self._drop()

    def _strike(self, trouble: Trouble, request: Request, name: str) -> None:
        wire, place = self.server.wire, self.server.place
        answer = wire.deliver(request) if trouble in ACTED else None
        if trouble in LATE:
            place.later(LATE_BY, lambda: wire.deliver(request))
        match trouble:
            case Trouble.GARBLED if answer:
                self._send(answer.garbled)
            case Trouble.ANOTHER:
                others = [one for word, one in self.server.earlier.items() if word != name]
                self._send(others[-1] if others else Answer.of(200, {"ret_code": 0}))
            case Trouble.TIME_OUT:
                self._hold()
            case Trouble.AWAY:
                place.send_away(wire.side, AWAY_FOR)
                self._drop()
            case Trouble.CLOUD_KILLED_BEFORE | Trouble.CLOUD_KILLED_AFTER:
                place.restart_cloud()
                self._drop()
            case Trouble.REQUEST_LOST | Trouble.REPLY_LOST | Trouble.LATE:
                self._drop()
            case _ if trouble in KILLS:
                place.kill_run()
                self._drop()
            case _:
                self._send(wire.refusal(trouble, name))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def _hold(self) -> None:
        """Send nothing until the client gives up."""
        self.connection.settimeout(CLIENT_PATIENCE)
        with suppress(OSError):
            self.connection.recv(1)
        self._drop()

    def _drop(self) -> None:
        self.close_connection = True
        close(self.connection)


class SshRelay(ThreadingTCPServer):
    """Passes bytes on; the calls inside are encrypted, so the run itself reports them."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: str, port: int, place: Place) -> None:
        super().__init__((address, 0), _Pump)
        self.target = (address, port)
        self.place = place
        self.connections = Connections()
        Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self.place.is_away(Side.SSH)

    def handle_error(self, request: Any, client_address: Any) -> None: ...


class _Pump(BaseRequestHandler):
    server: SshRelay

    def handle(self) -> None:
        with socket.create_connection(self.server.target, 10) as inner:
            inner.settimeout(None)
            for end in (self.request, inner):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.server.connections.add(end)
            back = Thread(target=_pump, args=(inner, self.request), daemon=True)
            back.start()
            _pump(self.request, inner)
            back.join()
            for end in (self.request, inner):
                self.server.connections.discard(end)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(CHUNK):
            target.sendall(chunk)
    close(source)
    close(target)
