"""TLS at load balancers: with a stored certificate for visitors, with anybody's at backends."""

import ssl
import tempfile


def server_side(certificate: str, private_key: str) -> ssl.SSLContext:
    """Return what speaks TLS with a certificate, both given as PEM.

    Raises:
        ssl.SSLError: one of them is none, the key is locked, or they do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="replace") as file:
        file.write(f"{certificate}\n{private_key}\n")  # only what has a path can be loaded
        file.flush()
        context.load_cert_chain(file.name, password=lambda: b"")
    return context


def backend_side() -> ssl.SSLContext:
    """Return what speaks TLS with a backend: balancers know no authority to ask about it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
