"""HTTP exchanges with an API server: TLS, time-outs, and every failure as one of our errors.

The kubernetes client's models are not used: they refuse a whole list because of one unexpected
field, drop unknown fields, and take seconds and hundreds of megabytes for large lists.
"""

import json
import ssl
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes.client import ApiClient, ApiException, Configuration

from clients.proxies import find_proxy
from domain.kernel.errors import (
    ApiRejected,
    ClusterError,
    InvalidSpec,
    NotFound,
    TemporaryError,
    UnknownOutcome,
)
from domain.kernel.waiting import READ_PAUSES, repeat
from domain.secrets.kubeconfig import ClusterAccess

CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 30.0  # seconds; the library's default is none
LONGEST_MESSAGE = 500

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


class Wire:
    """Authenticated requests to one API server; may be used by several threads."""

    def __init__(self, access: ClusterAccess, read_pauses: Sequence[float] = READ_PAUSES) -> None:
        """Prepare the connection; nothing is sent yet.

        Raises:
            InvalidSpec: the CA, the certificate or the key cannot be read.
        """
        self._read_pauses = read_pauses
        self.server = access.server.rstrip("/")
        configuration = Configuration(host=self.server)
        configuration.retries = False  # None would mean three
        configuration.proxy, configuration.no_proxy = find_proxy(self.server) or None, None
        self._client = ApiClient(configuration)
        self._client.user_agent = "kubernetes-on-qingcloud"
        pool = self._client.rest_client.pool_manager
        pool.connection_pool_kw["ssl_context"] = _tls_context(access)
        self._date: tuple[datetime, float] | None = None  # of the last answer, and when we got it

    @property
    def now(self) -> datetime | None:
        """The server's clock, to the second, by its last answer; None before the first one."""
        if self._date is None:
            return None
        date, seen = self._date
        return date + timedelta(seconds=time.monotonic() - seen)

    def _set_clock(self, date: str) -> None:
        """Take over the server's clock; where an answer has no date, ours."""
        try:
            now = parsedate_to_datetime(date).astimezone(UTC)
        except (TypeError, ValueError):
            now = datetime.now(UTC)
        self._date = now, time.monotonic()

    def close(self) -> None:
        """Close the idle connections; may be repeated."""
        self._client.rest_client.pool_manager.clear()

    def get(self, path: str, query: Mapping[str, str] | None = None, accept: str = JSON) -> Any:
        """Read and decode JSON, and repeat that a few times while the error may pass.

        Raises: as `text` does.
        """
        return repeat(
            lambda: self._decoded(path, self.text("GET", path, query=query, accept=accept)),
            self._read_pauses,
        )

    def send(self, method: str, path: str, body: Any, content_type: str = JSON) -> Any:
        """Send JSON once, and decode the answer.

        Raises:
            UnknownOutcome: the reply was lost; the call may have acted.
            Others as `text` does.
        """
        return self._decoded(path, self.text(method, path, body=body, content_type=content_type))

    def text(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        accept: str = JSON,
        content_type: str = JSON,
    ) -> str:
        """Send one request, and return the body of a successful answer.

        Raises:
            TemporaryError: no answer, or 429 or 5xx.
            NotFound: 404.
            ApiRejected: any other refusal; status 0 when the server's certificate is not the
                cluster's.
        """
        url = self.server + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": accept, "User-Agent": self._client.user_agent}
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            response = self._client.call_api(
                method, url, headers, body, _request_timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)
            )
            content = response.response.data
        except (ApiException, urllib3.exceptions.HTTPError) as error:
            raise _no_answer(method, self.server + path, error) from error
        self._set_clock(response.headers.get("Date") or "")
        answer: str = content.decode("utf-8", "replace")
        if not 200 <= response.status <= 299:
            raise _refusal(method, path, response.status, response.headers, answer)
        return answer

    def lines(
        self, path: str, query: Mapping[str, str], silence: float
    ) -> Iterator[dict[str, Any]]:
        """Yield the JSON lines of a streamed answer, until the server ends it.

        Args:
            silence: seconds without a line, after which the connection counts as lost.

        Raises:
            TemporaryError: no answer, or the connection was lost.
            Others as `text` does.
        """
        url = f"{self.server}{path}?{urlencode(query)}"
        headers = {"Accept": JSON, "User-Agent": self._client.user_agent}
        pool = self._client.rest_client.pool_manager
        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=silence)
        try:
            answer = pool.request(
                "GET", url, headers=headers, timeout=timeout, preload_content=False
            )
            with answer:
                if answer.status != 200:
                    text = answer.read().decode("utf-8", "replace")
                    raise _refusal("GET", path, answer.status, answer.headers, text)
                for line in answer:
                    yield self._decoded(path, line.decode())
        except urllib3.exceptions.HTTPError as error:
            raise _no_answer("GET", self.server + path, error) from error

    def _decoded(self, path: str, answer: str) -> Any:
        try:
            return json.loads(answer)
        except ValueError as error:
            raise TemporaryError(f"{self.server}{path}: the answer is not JSON") from error


def _tls_context(access: ClusterAccess) -> ssl.SSLContext:
    """Trust only the cluster's CA, and present our certificate.

    A client certificate can only be loaded from files, which exist in a private folder meanwhile.
    """
    try:
        context = ssl.create_default_context(cadata=access.ca)
        with tempfile.TemporaryDirectory() as folder:
            both = Path(folder, "client.pem")
            both.touch(mode=0o600)
            both.write_text(access.certificate + access.key, encoding="utf-8")
            context.load_cert_chain(both)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise InvalidSpec(
            f"the saved certificates of {access.server} cannot be used: {reason}"
        ) from None
    return context


def _no_answer(
    method: str, url: str, error: ApiException | urllib3.exceptions.HTTPError
) -> ClusterError:
    """Map errors without an answer. The library wraps TLS errors only; others are urllib3's."""
    if isinstance(error, ApiException):
        reason = str(error.reason)
        if "CERTIFICATE_VERIFY_FAILED" in reason:
            return ApiRejected(
                f"{url} shows a certificate that is not this cluster's",
                status=0,
                reason="CertificateVerifyFailed",
            )
        return TemporaryError(f"{url}: {reason}")
    never_sent = (
        urllib3.exceptions.NewConnectionError,
        urllib3.exceptions.ConnectTimeoutError,
        urllib3.exceptions.ProxyError,
    )
    what = f"{method} {url}: {type(error).__name__}"
    if method == "GET" or isinstance(error, never_sent):
        return TemporaryError(f"{what}; the server does not answer yet, or no longer")
    return UnknownOutcome(f"{what}; the reply was lost, so it may have been done")


def _refusal(
    method: str, path: str, status: int, headers: Mapping[str, str], answer: str
) -> ClusterError:
    document = _status_document(answer)
    reason = document.get("reason", "")
    text = document.get("message") or f"HTTP {status}"
    message = f"{method} {path}: {text[:LONGEST_MESSAGE]}"
    if status == 404:
        return NotFound(message)
    if status == 429 or status >= 500:
        retry_after = headers.get("Retry-After", "")
        seconds = float(retry_after) if retry_after.isdigit() else None
        return TemporaryError(message, retry_after=seconds)
    return ApiRejected(message, status=status, reason=reason)


def _status_document(answer: str) -> dict[str, Any]:
    """Read a `Status` object; empty for anything else, such as a proxied page."""
    try:
        document = json.loads(answer)
    except ValueError:
        return {}
    is_status = isinstance(document, dict) and document.get("kind") == "Status"
    return document if is_status else {}
