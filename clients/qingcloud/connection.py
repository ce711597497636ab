"""One HTTP connection for one call.

The SDK keeps connections alive, and retries when the server has closed an idle one. With its
retries off (they would repeat creates, too) a stale connection would fail. Calls are few, so each
opens its own connection: none is ever stale, and threads share nothing.
"""

import http.client
import ssl
from typing import Any

from clients.proxies import ThroughProxy, find_proxy
from clients.qingcloud.endpoint import Endpoint
from domain.kernel.errors import Unreachable

CONNECT_TIMEOUT = 10.0
"""Seconds within which a connection, TLS included, must be open."""


class UnexpectedStatus(Exception):
    """The reply is not HTTP 200, which the API answers to every call that it handles."""

    def __init__(self, status: int, retry_after: float | None) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.retry_after = retry_after


class _Http(http.client.HTTPConnection):
    date = ""  # of the reply, by the cloud's clock

    def getresponse(self) -> http.client.HTTPResponse:
        # The SDK answers any status but 200 with a pause and None, and drops the status.
        response = super().getresponse()
        self.date = response.headers.get("Date", "")  # the first one, if a proxy has added another
        if response.status != 200:
            retry_after = response.getheader("Retry-After", "")
            response.close()
            raise UnexpectedStatus(
                response.status, float(retry_after) if retry_after.isdecimal() else None
            )
        return response


class _Https(_Http, http.client.HTTPSConnection):
    pass


class _HttpThroughProxy(_Http):
    """Asks a proxy for a whole URL; only for endpoints without TLS."""

    def __init__(self, host: str, port: int, proxy: ThroughProxy) -> None:
        super().__init__(proxy.host, proxy.port, timeout=CONNECT_TIMEOUT)
        self._begin, self._headers = f"http://{host}:{port}", proxy.headers

    def putrequest(self, method: str, url: str, *args: Any, **options: Any) -> None:
        super().putrequest(method, self._begin + url, *args, **options)
        for name, value in self._headers.items():
            self.putheader(name, value)


class OneConnection:
    """Replaces the SDK's connection pool: provides one connection, and closes it.

    `get_conn` and `put_conn` are the SDK's names.
    """

    def __init__(
        self, endpoint: Endpoint, tls: ssl.SSLContext | None, reply_timeout: float
    ) -> None:
        self._endpoint = endpoint
        self._tls = tls
        self._reply_timeout = reply_timeout
        self._connection: _Http | None = None

    def get_conn(self, host: str, port: int) -> http.client.HTTPConnection:
        """Connect now, so that a failure here proves that nothing was sent.

        Raises:
            Unreachable: no answer, or the server's certificate is not trusted.
        """
        url = find_proxy(str(self._endpoint))
        proxy = ThroughProxy(url) if url else None
        self._connection = self._prepare(host, port, proxy)
        try:
            self._connection.connect()
        except (OSError, UnicodeError) as error:  # the latter from a host no name server can know
            raise Unreachable(_why_unreachable(self._endpoint, proxy, error)) from error
        self._connection.sock.settimeout(self._reply_timeout)
        return self._connection

    def _prepare(self, host: str, port: int, proxy: ThroughProxy | None) -> "_Http":
        if self._tls is None:
            if proxy is None:
                return _Http(host, port, timeout=CONNECT_TIMEOUT)
            return _HttpThroughProxy(host, port, proxy)
        if proxy is None:
            return _Https(host, port, timeout=CONNECT_TIMEOUT, context=self._tls)
        connection = _Https(proxy.host, proxy.port, timeout=CONNECT_TIMEOUT, context=self._tls)
        connection.set_tunnel(host, port, proxy.headers)
        return connection

    def put_conn(self, host: str, port: int, connection: http.client.HTTPConnection) -> None:
        """Do nothing: the connection is not used again."""

    @property
    def date(self) -> str:
        """The time of the reply by the cloud's clock; empty without one."""
        return self._connection.date if self._connection else ""

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _why_unreachable(endpoint: Endpoint, proxy: ThroughProxy | None, error: Exception) -> str:
    way = f" through {proxy}" if proxy else ""
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"The certificate of {endpoint} is not trusted ({error.verify_message}); nothing "
                "was sent. Check the endpoint's name, and this machine's clock and CA certificates "
                "(SSL_CERT_FILE names those of a company)."
            )
        case ssl.SSLError():
            return (
                f"{endpoint} does not speak TLS as expected ({error.reason or 'no reason given'}); "
                "nothing was sent. Check the endpoint's scheme and port."
            )
        case TimeoutError():
            reason = f"no answer in {CONNECT_TIMEOUT:g} seconds"
        case OSError(strerror=str(text)):
            reason = text.lower()
        case OSError() if proxy and str(error):  # what the proxy has answered
            reason = str(error).lower()
        case _:
            reason = type(error).__name__
    check = "the proxy (HTTPS_PROXY, NO_PROXY)" if proxy else "this machine's network"
    return (
        f"Nothing answers at {endpoint}{way} ({reason}); nothing was sent. "
        f"Check the endpoint and {check}."
    )
