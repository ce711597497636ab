"""Until when a server's certificate is valid, as the server shows it."""

import socket
import ssl
from datetime import UTC, datetime
from urllib.parse import urlsplit

from cryptography import x509

from domain.kernel.errors import Refused, TemporaryError

TIMEOUT = 5.0
"""Seconds for each of connect and handshake."""

_HAS_EXPIRED = 10  # OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED


def read_end(certificate: str) -> datetime:
    """When a PEM certificate at hand ends, in UTC."""
    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc


def read_certificate_end(url: str, ca: str) -> datetime:
    """Read when the certificate of an https URL's server ends, in UTC; now, if it has ended.

    Args:
        ca: the certificate of the only authority that is trusted, PEM.

    Raises:
        TemporaryError: nothing answers.
        Refused: the certificate is somebody else's.
    """
    place = urlsplit(url)
    host, port = place.hostname or "", place.port or 443
    trust = ssl.create_default_context(cadata=ca)
    try:
        with (
            socket.create_connection((host, port), timeout=TIMEOUT) as plain,
            trust.wrap_socket(plain, server_hostname=host) as tls,
        ):
            shown = tls.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _HAS_EXPIRED:
            return datetime.now(UTC)
        raise Refused(f"{url} shows a certificate that cannot be trusted: {error}") from error
    except OSError as error:
        raise TemporaryError(f"{url} does not answer: {error}") from error
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
