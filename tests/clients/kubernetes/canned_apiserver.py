"""A real HTTPS server on loopback that requires client certificates and gives canned answers."""

import json
import ssl
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from domain.secrets.pki import CertifiedKey, make_server_certificate

NOW, DAY = datetime.now(UTC), timedelta(days=1)
CASES = Path(__file__).parents[2] / "cases" / "kubernetes"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: Any
    accept: str
    content_type: str
    user: str


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: Any = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    silence: float = 0.0
    """Seconds between the headers and the body."""


class Apiserver(ThreadingHTTPServer):
    """Answers by method and path, each answer once until the last; records the requests."""

    daemon_threads = True

    def __init__(self, ca: CertifiedKey, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        server = make_server_certificate(ca, ["127.0.0.1"], NOW, DAY)
        (folder / "server.pem").write_text(server.certificate + server.key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "server.pem")
        self.context.load_verify_locations(cadata=ca.certificate)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.answers: dict[tuple[str, str], list[Answer]] = {}
        self.requests: list[Request] = []
        self.hangs_up = False

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}"

    def answer(self, method: str, path: str, *answers: Answer) -> None:
        self.answers[method, path] = list(answers)

    def recorded(self, method: str, path: str, *names: str) -> None:
        """Answer as a real 1.36 server did."""
        recordings = [json.loads((CASES / f"{name}.json").read_text()) for name in names]
        self.answer(method, path, *(Answer(one["status"], one["body"]) for one in recordings))

    @property
    def changes(self) -> list[Request]:
        return [request for request in self.requests if request.method != "GET"]

    def get_request(self) -> Any:
        connection, address = super().get_request()
        connection.settimeout(60)
        return connection, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        try:
            with self.context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
        except OSError:  # a client that does not trust us goes away
            return


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Apiserver

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length", 0))
        subject = dict(pair[0] for pair in self.connection.getpeercert()["subject"])
        self.server.requests.append(
            Request(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query)),
                json.loads(self.rfile.read(length)) if length else None,
                self.headers.get("Accept", ""),
                self.headers.get("Content-Type", ""),
                f"{subject['commonName']} of {subject['organizationName']}",
            )
        )
        if self.server.hangs_up:
            self.close_connection = True
            return
        waiting = self.server.answers.get((self.command, parts.path), [])
        missing = Answer(404, {"kind": "Status", "reason": "NotFound", "message": "not found"})
        answer = missing if not waiting else waiting.pop(0) if len(waiting) > 1 else waiting[0]
        is_text = isinstance(answer.body, str)
        content = (answer.body if is_text else json.dumps(answer.body)).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        time.sleep(answer.silence)
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:
        return
