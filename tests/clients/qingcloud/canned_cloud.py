"""An HTTP server that gives canned replies and records the requests."""

import base64
import hashlib
import hmac
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

KEY = "QYACCESSKEYIDEXAMPLE"
SECRET = "a secret that must not be seen"
NOISE = {
    "access_key_id",
    "expires",
    "req_id",
    "signature",
    "signature_method",
    "signature_version",
    "time_stamp",
    "version",
}


@dataclass(frozen=True)
class Request:
    verb: str
    path: str
    params: Mapping[str, str]
    client_port: int

    @property
    def action(self) -> str:
        return self.params["action"]

    @property
    def own_params(self) -> dict[str, str]:
        """What the action itself was given: neither signature nor action."""
        return {
            name: value
            for name, value in self.params.items()
            if name not in NOISE and name != "action"
        }


@dataclass(frozen=True)
class Answer:
    """A reply, or a failure instead of one."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    fate: str = "sent"  # or: closed, reset, truncated, never


def ok(**fields: Any) -> Answer:
    return Answer(json.dumps({"ret_code": 0, **fields}).encode())


def refused(ret_code: int, message: str = "") -> Answer:
    return Answer(json.dumps({"ret_code": ret_code, "message": message}).encode())


Script = Callable[[Request], Answer]


def signature_of(verb: str, path: str, params: Mapping[str, str], secret: str) -> str:
    """The documented signature, version 1, written down a second time."""
    query = "&".join(
        f"{quote(name, safe='-_.~')}={quote(params[name], safe='-_.~')}"
        for name in sorted(params)
        if name != "signature"
    )
    text = f"{verb}\n{path}\n{query}".encode()
    return base64.b64encode(hmac.digest(secret.encode(), text, hashlib.sha256)).decode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing: clients that close connections are part of the tests."""


class CannedCloud:
    """Answers with `script`, which tests replace; wrong signatures it refuses by itself."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.script: Script = lambda request: ok()
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._scheme = "https" if tls else "http"
        self._server = _Server(("127.0.0.1", 0), _handler_for(self))
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> "CannedCloud":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def endpoint(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/iaas/"

    @property
    def actions(self) -> list[str]:
        return [request.action for request in self.requests]

    def play(self, *answers: Answer) -> None:
        """Give these answers one after the other."""
        left = list(answers)
        self.script = lambda request: left.pop(0)

    def judge(self, request: Request) -> Answer:
        self.requests.append(request)
        expected = signature_of(request.verb, request.path, request.params, SECRET)
        if request.params.get("access_key_id") != KEY:
            return refused(1200, "AuthFailure, illegal access key")
        if request.params.get("signature") != expected:
            return refused(1200, "AuthFailure, signature not matched")
        return self.script(request)


def _handler_for(cloud: CannedCloud) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._handle(urlsplit(self.path).query)

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self._handle(self.rfile.read(length).decode())

        def _handle(self, encoded: str) -> None:
            params = dict(parse_qsl(encoded, keep_blank_values=True, strict_parsing=True))
            path = urlsplit(self.path).path
            answer = cloud.judge(Request(self.command, path, params, self.client_address[1]))
            self.close_connection = answer.fate != "sent"
            match answer.fate:
                case "closed":
                    return
                case "reset":
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.connection.close()
                    return
                case "never":
                    cloud.closing.wait(30)
                    return
            self.send_response_only(answer.status)
            self.send_header("Content-Type", "application/json")
            missing = 10 if answer.fate == "truncated" else 0
            self.send_header("Content-Length", str(len(answer.body) + missing))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
