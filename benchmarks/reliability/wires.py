"""The two HTTP APIs behind the relay: names of calls, delivery, and the words of a refusal."""

import http.client
import json
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from benchmarks.reliability.troubles import Side, Trouble
from domain.secrets.credentials import Credentials
from domain.secrets.kubeconfig import make_access

DELIVERY = 60.0
"""Seconds within which the local cloud answers."""

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "date"})
READING = ("Describe", "Get")
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    verb: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def of(cls, status: int, document: object) -> "Answer":
        return cls(status, (("Content-Type", JSON),), json.dumps(document).encode())

    @property
    def garbled(self) -> "Answer":
        """The first half of it, with the headers of a whole document."""
        return Answer(self.status, self.headers, self.body[: len(self.body) // 2])


GATEWAY = Answer(502, (("Content-Type", "text/html"),), b"<html>502 Bad Gateway</html>")


class Wire(Protocol):
    """One API."""

    side: Side

    def name(self, request: Request) -> tuple[str, bool]:
        """The call's name, and whether it changes anything."""
        ...

    def deliver(self, request: Request) -> Answer:
        """Send the request. Raises `OSError` or `HTTPException` where nothing answers."""
        ...

    def refusal(self, trouble: Trouble, name: str) -> Answer:
        """The answer to a request that was not delivered, or whose answer is not shown."""
        ...


class CloudWire:
    """QingCloud's API; the codes and their texts are those of its documents."""

    side = Side.CLOUD

    _CODES: Mapping[Trouble, tuple[int, str]] = {
        Trouble.BUSY: (5100, "ServerBusy, the server is busy now"),
        Trouble.INTERNAL: (5000, "InternalError, internal error"),
        Trouble.INTERNAL_ACTED: (5000, "InternalError, internal error"),
        Trouble.LATER: (1400, "PermissionDenied, resource is in transition, please try later"),
        Trouble.TOO_MANY: (2500, "QuotasExceeded, more than [2000] API calls in [3600] seconds"),
    }

    def __init__(self, url: Callable[[], str]) -> None:
        """Take what returns the present URL of the local cloud."""
        self._url = url

    def name(self, request: Request) -> tuple[str, bool]:
        fields = parse_qs(urlsplit(request.path).query) | parse_qs(request.body.decode("latin-1"))
        action = fields.get("action", ["?"])[0]
        return action, not action.startswith(READING)

    def deliver(self, request: Request) -> Answer:
        where = urlsplit(self._url())
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=DELIVERY)
        return _exchange(connection, request)

    def refusal(self, trouble: Trouble, name: str) -> Answer:
        if trouble not in self._CODES:
            return GATEWAY
        code, message = self._CODES[trouble]
        document = {"action": f"{name}Response", "ret_code": code, "message": message}
        return Answer.of(200, document)


class KubernetesWire:
    """An API server, asked as the administrator that the run is: TLS ends at the relay."""

    side = Side.KUBERNETES

    def __init__(self, address: str, port: int, credentials: Credentials) -> None:
        self._address, self._port = address, port
        access = make_access(
            credentials.ca,
            f"https://{address}:{port}",
            "qingcloud-flows",
            datetime.now(UTC),
            timedelta(hours=12),
        )
        self._tls = ssl.create_default_context(cadata=access.ca)
        load_pair(self._tls, access.certificate, access.key)

    def name(self, request: Request) -> tuple[str, bool]:
        parts = urlsplit(request.path).path.strip("/").split("/")
        if "namespaces" in parts[:-2]:
            parts = parts[parts.index("namespaces") + 2 :]
        else:
            parts = parts[parts.index("v1") + 1 :] if "v1" in parts else parts
        resource = "/".join((*parts[:1], *parts[2:]))
        return f"{request.verb}-{resource}", request.verb != "GET"

    def deliver(self, request: Request) -> Answer:
        connection = http.client.HTTPSConnection(
            self._address, self._port, timeout=DELIVERY, context=self._tls
        )
        return _exchange(connection, request)

    def refusal(self, trouble: Trouble, name: str) -> Answer:
        if trouble is not Trouble.UNAVAILABLE:
            return GATEWAY
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "reason": "ServiceUnavailable",
            "message": "the server is currently unable to handle the request",
            "code": 503,
        }
        return Answer.of(503, status)


def load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load a certificate and its key, which ssl reads from files only."""
    with tempfile.TemporaryDirectory() as folder:
        both = Path(folder, "pair.pem")
        both.touch(mode=0o600)
        both.write_text(certificate + key)
        context.load_cert_chain(both)


def _exchange(connection: http.client.HTTPConnection, request: Request) -> Answer:
    headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
    try:
        connection.request(request.verb, request.path, request.body or None, headers)
        response = connection.getresponse()
        kept = [(k, v) for k, v in response.getheaders() if k.lower() not in HOP_BY_HOP]
        return Answer(response.status, tuple(kept), response.read())
    finally:
        connection.close()
