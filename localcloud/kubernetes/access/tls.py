"""TLS contexts of PEM texts, without leaving a key in a file."""

import ssl
import tempfile
from pathlib import Path

from localcloud.pki import Pair


def client_tls(ca_certificate: bytes, pair: Pair) -> ssl.SSLContext:
    """Return the TLS context of a client with one trusted CA and a certificate."""
    context = ssl.create_default_context(cadata=ca_certificate.decode())
    load_pair(context, pair)
    return context


def server_tls(pair: Pair) -> ssl.SSLContext:
    """Return the TLS context of a server without client certificates.

    Raises:
        ssl.SSLError: the pair is not a certificate with its key.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    load_pair(context, pair)
    return context


def load_pair(context: ssl.SSLContext, pair: Pair) -> None:
    """Load a certificate and its key into a context.

    Raises:
        ssl.SSLError: the pair is not a certificate with its key.
    """
    with tempfile.TemporaryDirectory(prefix="pair-") as folder:
        # The ssl module reads keys from files only; the folder is private and deleted at once.
        chain = Path(folder) / "pair.pem"
        chain.write_bytes(pair.key + b"\n" + pair.certificate)
        context.load_cert_chain(chain)
