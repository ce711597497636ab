"""An HTTP page for Prometheus with the file of the last collection."""

from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from socket import AF_INET, AF_INET6
from threading import Thread
from typing import Self

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from domain.kernel.errors import InvalidSpec

PATH = "/metrics"
TIMEOUT = 10.0
"""Seconds that a client may send nothing."""


class ScrapePage:
    """Serves a file of metrics at `/metrics`, as a context manager.

    It answers 503 while `trouble` is set, so that old numbers are not taken for current ones, and
    Prometheus' own `up` shows the failure.
    """

    def __init__(self, address: str, file: Path) -> None:
        """Listen.

        Args:
            address: `host:port`, or a port of the loopback address; port 0 is any free one.
            file: in Prometheus' text format; read for each request.

        Raises:
            InvalidSpec: the address is not valid, or another process uses it.
        """
        self.trouble = "nothing has been measured yet"
        self.file = file
        host, port = _read_address(address)
        try:
            self._server = _Server(host, port, self._answer)
        except (OSError, OverflowError) as error:
            raise InvalidSpec(f"cannot listen at {address}: {error}") from error

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        shown = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{shown}:{port}{PATH}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str) -> tuple[HTTPStatus, str]:
        if path.partition("?")[0] != PATH:
            return HTTPStatus.NOT_FOUND, f"the metrics are at {PATH}\n"
        if self.trouble:
            return HTTPStatus.SERVICE_UNAVAILABLE, f"{self.trouble}\n"
        try:
            return HTTPStatus.OK, self.file.read_text(encoding="utf-8")
        except OSError as error:
            return HTTPStatus.SERVICE_UNAVAILABLE, f"{self.file}: {error.strerror}\n"


Answer = Callable[[str], tuple[HTTPStatus, str]]


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"
    timeout = TIMEOUT

    def do_GET(self) -> None:
        status, text = self.server.answer(self.path)
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the terminal shows a live display."""


class _Server(ThreadingHTTPServer):
    def __init__(self, host: str, port: int, answer: Answer) -> None:
        self.address_family = AF_INET6 if ip_address(host).version == 6 else AF_INET
        self.answer = answer
        super().__init__((host, port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that close the connection early."""


def _read_address(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    try:
        ip_address(host)
        number = int(port)
    except ValueError as error:
        raise InvalidSpec(
            f"{address!r} is not an address with a port, such as 127.0.0.1:9108 or 9108"
        ) from error
    return host, number
