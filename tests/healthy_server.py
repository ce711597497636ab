"""Something that answers as a Prefect server does when it is asked for its health."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Not into the test's output."""


@contextmanager
def healthy_server() -> Iterator[int]:
    """The port of this machine on which it answers."""
    with HTTPServer(("127.0.0.1", 0), _Healthy) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def be_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernel say that this process is not of the user whose servers it has started."""
    monkeypatch.setattr(os, "getuid", partial(int, os.getuid() + 1))
