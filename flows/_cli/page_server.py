"""A page on this machine's loopback address, for those who know the Prefect server's auth."""

import hmac
import secrets
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from contextvars import copy_context
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOOPBACK = "127.0.0.1"

FRESH = 10.0
"""Seconds for which a page is sent again as it is: several readers cost as much as one."""

WritePage = Callable[[str], str]
"""Writes the page whose scripts carry this nonce."""


class PageServer(ThreadingHTTPServer):
    """Serves one page at `/`."""

    daemon_threads = True

    def __init__(self, port: int, auth: str, write_page: WritePage) -> None:
        """Listen on a port; 0 takes a free one.

        Args:
            auth: `user:password`, as HTTP's basic authentication sends it.

        Raises:
            OSError: the port cannot be bound.
        """
        super().__init__((LOOPBACK, port), _Handler)
        self.expected = f"Basic {b64encode(auth.encode()).decode()}"
        self.hosts = tuple(f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost"))
        self.nonce = secrets.token_urlsafe(16)
        self._write_page, self._page = write_page, ""
        self._context = copy_context()  # with Prefect's settings, which a thread does not inherit
        self._written, self._writing = -FRESH, threading.Lock()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_port}/"

    def page(self) -> str:
        """The page, not older than `FRESH` seconds."""
        with self._writing:
            if time.monotonic() - self._written >= FRESH:
                self._page = self._context.run(self._write_page, self.nonce)
                self._written = time.monotonic()
            return self._page


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = 30
    server_version, sys_version = "page", ""

    def do_GET(self) -> None:
        given = self.headers.get("Authorization", "")
        if self.headers.get("Host", "") not in self.server.hosts:
            # A name that a stranger's DNS points to this machine.
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, "not this server's name")
        elif not hmac.compare_digest(given.encode(), self.server.expected.encode()):
            self._answer(HTTPStatus.UNAUTHORIZED, "the user and password of the Prefect UI")
        elif self.path.partition("?")[0] != "/":
            self._answer(HTTPStatus.NOT_FOUND, "there is one page, at /")
        else:
            self._answer_with_page()

    def _answer_with_page(self) -> None:
        try:
            page = self.server.page()
        except Exception as error:  # whatever it is, the next attempt may succeed
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, f"the page cannot be written: {error}")
        else:
            self._answer(HTTPStatus.OK, page, "text/html")

    def _answer(self, status: HTTPStatus, text: str, kind: str = "text/plain") -> None:
        body = text.encode()
        self.send_response(status)
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="Prefect server", charset="UTF-8"')
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header(
            "Content-Security-Policy",
            f"default-src 'none'; script-src 'nonce-{self.server.nonce}'; connect-src 'self'; "
            "style-src 'unsafe-inline'; frame-ancestors 'none'; form-action 'none'; "
            "base-uri 'none'",
        )
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Not into the terminal: each refresh would be a line."""
