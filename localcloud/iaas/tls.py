"""TLS at load balancers: with a stored certificate for visitors, with anybody's at backends."""

import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def server_side(certificate: str, private_key: str) -> ssl.SSLContext:
    """Return what speaks TLS with a certificate, both given as PEM.

    Raises:
        ssl.SSLError: one of them is none, the key is locked, or they do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Only what has a path can be loaded; and not from one file, in which a key that came with the
    # certificate would do for any other.
    with _written(certificate) as chain, _written(private_key) as key:
        context.load_cert_chain(chain, key, password=lambda: b"")
    return context


@contextmanager
def _written(text: str) -> Iterator[str]:
    """Write a text into a file that only its owner may read, for as long as this lasts."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="replace") as file:
        file.write(text)
        file.flush()
        yield file.name


def backend_side() -> ssl.SSLContext:
    """Return what speaks TLS with a backend: balancers know no authority to ask about it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
