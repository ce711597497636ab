"""Something that answers as a Prefect server does when it is asked for its health."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from blocks import prefect_server


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
        yield server.server_port
        server.shutdown()
        thread.join()


def give_to(user: int, port: int, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the kernel's list of sockets say that this user listens on that port."""
    header, times = "  sl  local_address rem_address   st", "00000000:00000000 00:00000000 00000000"
    line = f"   0: 0100007F:{port:04X} 00000000:0000 0A {times} {user:5d}        0 77 1 0 100 0"
    (folder / "tcp").write_text(f"{header}\n{line}\n")
    monkeypatch.setattr(prefect_server, "SOCKETS", (folder / "tcp",))
