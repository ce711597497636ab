"""Web pages over HTTPS with a certificate of a given CA."""

import ssl

import httpx

from clients.proxies import find_proxy
from domain.kernel.errors import Refused, TemporaryError

TIMEOUT = 10.0
"""Seconds for each of connect, write and read."""


def fetch_page(url: str, ca: str) -> str:
    """GET a page and return its text.

    Args:
        ca: the certificate of the only trusted authority, PEM.

    Raises:
        TemporaryError: no answer, or 5xx.
        Refused: another status than 200, or a certificate of another authority.
    """
    trust = ssl.create_default_context(cadata=ca)
    try:
        proxy = find_proxy(url) or None
        reply = httpx.get(url, verify=trust, timeout=TIMEOUT, trust_env=False, proxy=proxy)
    except httpx.TransportError as error:
        if isinstance(error.__cause__, ssl.SSLCertVerificationError) or "CERTIFICATE" in str(error):
            raise Refused(
                f"{url} shows a certificate that is not the cluster's: {error}"
            ) from error
        raise TemporaryError(f"{url} does not answer: {error}") from error
    if reply.status_code >= 500:
        raise TemporaryError(f"{url} answers {reply.status_code}")
    if reply.status_code != 200:
        raise Refused(f"{url} answers {reply.status_code}")
    return reply.text
