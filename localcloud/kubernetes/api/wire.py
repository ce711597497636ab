"""HTTPS connections of one API server, on accepted sockets."""

import asyncio
import hashlib
import logging
import socket
import ssl
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from localcloud.kubernetes.access.tls import load_pair
from localcloud.kubernetes.access.users import User
from localcloud.kubernetes.api.app import App
from localcloud.pki import Pair

HANDSHAKE = 15.0  # seconds
KEEP_ALIVE = 90  # seconds; Go's clients keep connections as long
CLOSE_TIMEOUT = 5.0  # seconds for open requests when the server stops

log = logging.getLogger(__name__)


class _Protocol(H11Protocol):
    """Passes the identity in the client's certificate to the application."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        super().connection_made(transport)
        certificate = transport.get_extra_info("peercert")
        if certificate:
            # ASGI has no field for it; the state is one dictionary a connection.
            encoded = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
            self.app_state["user"] = user_of(certificate, encoded)

    def _should_upgrade(self) -> bool:
        # kubectl exec and port-forward request it; the application refuses with a reason.
        return False


class Wire:
    """Serves TLS and HTTP/1.1 on connected sockets, for the application.

    Client certificates are requested, not required: bearer tokens and anonymous users are allowed.
    """

    def __init__(self, app: App, ca_certificate: bytes, certificate: bytes, key: bytes) -> None:
        self._tls = _context(ca_certificate, certificate, key)
        self._config = Config(
            app,
            loop="none",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
        )
        self._config.load()
        self._state = ServerState()
        self._handshakes: set[asyncio.Task[None]] = set()

    def accept(self, connection: socket.socket, peer: str) -> None:
        """Serve one connection in the background until it ends."""
        task = asyncio.ensure_future(self._handshake(connection, peer))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def close(self) -> None:
        """End all connections; open requests have a few seconds."""
        for handshake in tuple(self._handshakes):
            handshake.cancel()
        for protocol in tuple(self._state.connections):
            protocol.shutdown()
        requests = set(self._state.tasks)
        if requests:
            _, late = await asyncio.wait(requests, timeout=CLOSE_TIMEOUT)
            for task in late:
                task.cancel()
        for protocol in tuple(self._state.connections):
            transport = getattr(protocol, "transport", None)
            if transport:
                transport.abort()

    async def _handshake(self, connection: socket.socket, peer: str) -> None:
        loop = asyncio.get_running_loop()
        connection.setblocking(False)
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            # asyncio sets it only on sockets marked as TCP, which an accepted one may not be.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await loop.connect_accepted_socket(
                lambda: _Protocol(self._config, self._state, {}),
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE,
            )
        except (OSError, ssl.SSLError) as error:
            # A client without TLS, or with an untrusted certificate.
            log.debug("connection from %s: %s", peer, error)
            connection.close()


def user_of(certificate: dict[str, Any], encoded: bytes) -> User | None:
    """Return the user of a verified certificate: its common name; organisations are groups."""
    parts = [part for name in certificate.get("subject", ()) for part in name]
    names = [value for key, value in parts if key == "commonName"]
    groups = [value for key, value in parts if key == "organizationName"]
    credential = f"X509SHA256={hashlib.sha256(encoded).hexdigest()}"
    return User(names[0], (*groups, "system:authenticated"), credential) if names else None


def _context(ca_certificate: bytes, certificate: bytes, key: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=ca_certificate.decode())
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    load_pair(context, Pair(certificate, key))
    return context
