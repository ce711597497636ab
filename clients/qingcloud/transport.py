"""Sending of calls: the SDK signs and sends, this module checks the replies.

Nothing is sent twice here. The caller decides about retries, by the class of the error: a read may
be retried, a change whose reply was lost is an `UnknownOutcome`.
"""

import ssl
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.parse import urlencode

from qingcloud.iaas.connection import APIConnection

from clients.qingcloud.clocks import measure_lag
from clients.qingcloud.connection import OneConnection, UnexpectedStatus
from clients.qingcloud.endpoint import Endpoint, Keys
from clients.qingcloud.errors import advice_on_lost, error_of_code, error_of_status
from clients.qingcloud.reply import Item
from domain.kernel.errors import FinalError, TemporaryError, TooManyCalls, UnknownOutcome
from domain.kernel.waiting import READ_PAUSES, Clock, repeat

T = TypeVar("T")
Scalar = str | int | None
Value = Scalar | Sequence[str] | Sequence[Mapping[str, Scalar]]
Params = Mapping[str, Value]
"""Parameters of an action. None is not sent, an empty text is."""

LONGEST_QUERY = 4000
"""Bytes of parameters up to which GET is used. Every action accepts both verbs; the documents
recommend POST for long requests, without naming the limit of a URL."""


class Transport:
    """The calls of one account in one zone. Threads may share it.

    Where the cloud refuses a call as one too many, all threads pause: each further call would be
    refused, too, and counted.
    """

    def __init__(
        self,
        zone: str,
        keys: Keys,
        endpoint: Endpoint,
        reply_timeout: float,
        read_pauses: Sequence[float] = READ_PAUSES,
        clock: Clock = time,
    ) -> None:
        self.zone = zone
        self._read_pauses = read_pauses
        self._clock = clock
        self._silent_until = 0.0
        self.lag = timedelta()  # of the cloud's clock behind ours, by the last reply
        self._keys = keys
        self._endpoint = endpoint
        self._reply_timeout = reply_timeout
        self._tls = ssl.create_default_context() if endpoint.is_secure else None

    @property
    def key_id(self) -> str:
        return self._keys.access_key_id

    def read(self, action: str, params: Params) -> Item:
        """Send a read, and repeat it a few times while its error may pass.

        Raises:
            TemporaryError: no usable reply, or the cloud is busy.
            ClusterError: by `ret_code`; see `errors.MEANINGS`.
        """
        return repeat(
            lambda: self._send(action, params, lost=TemporaryError, garbled=FinalError),
            self._read_pauses,
            self._clock,
        )

    def change(self, action: str, params: Params) -> Item:
        """Send a change once.

        Raises:
            UnknownOutcome: the reply was lost or cannot be used; read before a retry.
            Unreachable: there was no connection, so nothing was sent.
            ClusterError: by `ret_code`; see `errors.MEANINGS`.
        """
        return self._send(action, params, lost=UnknownOutcome, garbled=UnknownOutcome)

    def upload(self, action: str, params: Params) -> Item:
        """Send a large change that is free and cannot be read back; it may be retried."""
        return self._send(action, params, lost=TemporaryError, garbled=TemporaryError, verb="POST")

    def _send(
        self,
        action: str,
        params: Params,
        *,
        lost: type[TemporaryError],
        garbled: type[FinalError] | type[TemporaryError],
        verb: str | None = None,
    ) -> Item:
        if (pause := self._silent_until - self._clock.monotonic()) > 0:
            self._clock.sleep(pause)
        try:
            return self._send_once(action, params, lost, garbled, verb)
        except TooManyCalls as error:
            self._silent_until = self._clock.monotonic() + (error.retry_after or 0.0)
            raise

    def _send_once(
        self,
        action: str,
        params: Params,
        lost: type[TemporaryError],
        garbled: type[FinalError] | type[TemporaryError],
        verb: str | None,
    ) -> Item:
        request_id = uuid.uuid4().hex
        call = f"{action} (request {request_id})"
        body = {name: _encodable(value) for name, value in params.items()}
        connection = OneConnection(self._endpoint, self._tls, self._reply_timeout)
        try:
            reply = self._sdk(connection).send_request(
                action,
                {**body, "req_id": request_id},
                url=self._endpoint.path,
                verb=verb or ("POST" if len(urlencode(body)) > LONGEST_QUERY else "GET"),
            )
        except UnexpectedStatus as error:
            raise error_of_status(
                call,
                error.status,
                str(self._endpoint),
                retry_after=error.retry_after,
                lost=lost,
            ) from error
        except (OSError, HTTPException) as error:
            reason = type(error).__name__
            raise lost(f"{call}: no reply ({reason}). {advice_on_lost(lost)}") from error
        except (AttributeError, UnicodeDecodeError) as error:
            # The SDK (1.2.16) fails in this way on a body that is not a JSON object.
            raise lost(f"{call}: the reply is not JSON. {advice_on_lost(lost)}") from error
        finally:
            connection.close()
        self.lag = measure_lag(connection.date, datetime.now(UTC))
        return _judge(call, action, reply, lost, garbled, self.lag)

    def _sdk(self, connection: OneConnection) -> Any:
        return APIConnection(
            self._keys.access_key_id,
            self._keys.secret_access_key,
            self.zone,
            host=self._endpoint.host,
            port=self._endpoint.port,
            protocol=self._endpoint.protocol,
            pool=connection,
            retry_time=1,  # counts attempts, not repetitions
        )


def some(items: Sequence[T]) -> list[T]:
    """Check that a change is about something: an empty list would not be sent."""
    if not items or not all(items):
        raise ValueError("a change needs at least one item, and no empty ones")
    return list(items)


def _encodable(value: Any) -> Any:
    """Convert a value to a form that the SDK encodes correctly: it indexes lists only."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_encodable(item) for item in value]
    if isinstance(value, Mapping):
        return {name: inner for name, inner in value.items() if inner is not None}
    return value


def _judge(
    call: str,
    action: str,
    reply: Any,
    lost: type[TemporaryError],
    garbled: type[FinalError] | type[TemporaryError],
    lag: timedelta,
) -> Item:
    """Return an accepted reply; raise for any other."""
    ret_code = reply.get("ret_code") if isinstance(reply, dict) else None
    if not isinstance(ret_code, int):
        raise lost(f"{call}: the reply is empty or has no ret_code. {advice_on_lost(lost)}")
    if ret_code != 0:
        raise error_of_code(call, ret_code, str(reply.get("message") or ""), lost=lost)
    return Item(action, reply, garbled, lag)
