"""A chat service on loopback that checks signatures and gives canned answers."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

TAKEN = {"errcode": 0, "errmsg": "ok"}
FEISHU_TAKEN = {"code": 0, "msg": "success", "data": {}}


@dataclass
class Received:
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class ChatServer:
    """Answers each POST with `status` and `answer`, and keeps what came."""

    url: str = ""
    status: int = 200
    answer: Any = field(default_factory=lambda: dict(TAKEN))
    received: list[Received] = field(default_factory=list)


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    chat = ChatServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            place = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(place.query).items()}
            body = json.loads(self.rfile.read(length))
            chat.received.append(Received(place.path, query, dict(self.headers), body))
            reply = json.dumps(chat.answer).encode()
            self.send_response(chat.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *words: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    chat.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield chat
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def dingtalk_accepts(request: Received, secret: str) -> bool:
    """Check a signature as DingTalk's documentation describes it, escaped once."""
    text = f"{request.query['timestamp']}\n{secret}".encode()
    digest = hmac.new(secret.encode(), text, hashlib.sha256).digest()
    return request.query["sign"] == base64.b64encode(digest).decode()


def feishu_accepts(request: Received, secret: str) -> bool:
    """Check a signature as Feishu's documentation describes it: of nothing, by time and secret."""
    key = f"{request.body['timestamp']}\n{secret}".encode()
    digest = hmac.new(key, b"", hashlib.sha256).digest()
    return bool(request.body["sign"] == base64.b64encode(digest).decode())
