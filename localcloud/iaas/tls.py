"""TLS at load balancers: stored certificates for clients, any certificate at backends."""

import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def server_side(certificate: str, private_key: str) -> ssl.SSLContext:
    """Return the context of a TLS server with this certificate and key, both PEM.

    Raises:
        ssl.SSLError: one is invalid, the key is encrypted, or they do not match.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # ssl loads files only; two of them, because in one file a key beside the certificate would be
    # used instead of the given one.
    with _written(certificate) as chain, _written(private_key) as key:
        context.load_cert_chain(chain, key, password=lambda: b"")
    return context


@contextmanager
def _written(text: str) -> Iterator[str]:
    """Yield the path of a private temporary file with this text."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="replace") as file:
        file.write(text)
        file.flush()
        yield file.name


def backend_side() -> ssl.SSLContext:
    """Return the context of a TLS client that accepts any certificate, as balancers do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
