"""The expiry of a server's certificate."""

import ssl
from contextlib import closing
from datetime import UTC, datetime
from typing import cast

from cryptography import x509

from clients.proxies import tunnel_to
from domain.kernel.errors import Refused, TemporaryError

TIMEOUT = 5.0
"""Seconds for each of connect and handshake."""

_HAS_EXPIRED = 10  # OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED


def read_end(certificate: str) -> datetime:
    """The expiry of a PEM certificate, in UTC."""
    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc


def read_certificate_end(url: str, ca: str) -> datetime:
    """Read the expiry of the certificate behind an https URL, in UTC; now, if it has expired.

    Args:
        ca: the certificate of the only trusted authority, PEM.

    Raises:
        TemporaryError: the server does not answer.
        Refused: the certificate is not signed by the authority.
    """
    trust = ssl.create_default_context(cadata=ca)
    try:
        with closing(tunnel_to(url, trust, TIMEOUT)) as connection:
            connection.connect()
            shown = cast(ssl.SSLSocket, connection.sock).getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _HAS_EXPIRED:
            return datetime.now(UTC)
        raise Refused(f"{url} shows a certificate that cannot be trusted: {error}") from error
    except OSError as error:
        raise TemporaryError(f"{url} does not answer: {error}") from error
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
