"""TLS settings made of PEM texts, of which no key stays in a file."""

import ssl
import tempfile
from pathlib import Path

from localcloud.pki import Pair


def client_tls(ca_certificate: bytes, pair: Pair) -> ssl.SSLContext:
    """The TLS settings of a client that trusts one CA and shows one certificate."""
    context = ssl.create_default_context(cadata=ca_certificate.decode())
    load_pair(context, pair)
    return context


def server_tls(pair: Pair) -> ssl.SSLContext:
    """The TLS settings of a server that lets anybody in.

    Raises:
        ssl.SSLError: the pair is no certificate with its key.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    load_pair(context, pair)
    return context


def load_pair(context: ssl.SSLContext, pair: Pair) -> None:
    """Let one side of a connection show a certificate, and prove it with its key.

    Raises:
        ssl.SSLError: the pair is no certificate with its key.
    """
    with tempfile.TemporaryDirectory(prefix="pair-") as folder:
        # The ssl module reads keys from files only; the folder is ours alone and goes at once.
        chain = Path(folder) / "pair.pem"
        chain.write_bytes(pair.key + b"\n" + pair.certificate)
        context.load_cert_chain(chain)
