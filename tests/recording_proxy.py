"""A proxy in a thread of the test that records what it is asked for."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any


class RecordingProxy:
    """Records the first line of each request, and answers for every host with one document.

    Behind a CONNECT it is the host itself, with the certificate of `tls`; without one it refuses.
    """

    def __init__(self, document: Mapping[str, Any] | None = None) -> None:
        self.seen: list[str] = []
        self.heads: list[str] = []
        self.tls: ssl.SSLContext | None = None
        self._body = json.dumps(document or {}).encode()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def variables(self) -> dict[str, str]:
        names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
        return dict.fromkeys(names, self.url)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):  # the end
            while True:
                connection, _ = self._socket.accept()
                with connection, suppress(OSError):
                    connection.settimeout(10)
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        head = _read_head(connection)
        self.seen.append(head.splitlines()[0] if head else "")
        self.heads.append(head)
        if not head.startswith("CONNECT "):
            self._reply(connection)
        elif self.tls is None:
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        else:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with self.tls.wrap_socket(connection, server_side=True) as host:
                self.heads.append(_read_head(host))
                self._reply(host)

    def _reply(self, connection: socket.socket) -> None:
        length = f"Content-Length: {len(self._body)}\r\n"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{length}\r\n"
        connection.sendall(head.encode() + self._body)


def _read_head(connection: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        if not (more := connection.recv(65536)):
            break
        head += more
    return head.decode()


@contextmanager
def recording_proxy(document: Mapping[str, Any] | None = None) -> Iterator[RecordingProxy]:
    proxy = RecordingProxy(document)
    yield proxy
    proxy.close()
