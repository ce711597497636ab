"""Robots in the group chats of DingTalk, WeCom and Feishu.

Not through Apprise: its 1.13 escapes DingTalk's signature twice, so that DingTalk refuses it, does
not sign for Feishu, and takes every HTTP 200 for success, although these services answer 200 also
to refused messages, with the code in the body. Check again when Apprise changes.
"""

import base64
import hashlib
import hmac
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import httpx

from domain.kernel.errors import InvalidSpec, Refused, TemporaryError, UnknownOutcome
from domain.observe.alarms.messages import Message

TIMEOUT = 10.0
"""Seconds for each of connect, write and read."""


class Robot(ABC):
    """A chat robot, by the webhook URL that the chat shows at its creation."""

    name: str
    busy: frozenset[int]
    """Codes of temporary refusals: too many messages, or a server error."""
    fields = ("errcode", "errmsg")
    """Of an answer: the code, 0 when the message was taken, and the words beside it."""

    def __init__(
        self, webhook: str, secret: str = "", clock: Callable[[], float] = time.time
    ) -> None:
        """Prepare a robot.

        Args:
            secret: of the robot's security setting "signature"; empty where it has none.
            clock: seconds since 1970; the services refuse a signature that is an hour old.

        Raises:
            InvalidSpec: the webhook is not an http(s) URL.
        """
        try:
            self._url = httpx.URL(webhook.strip())
        except httpx.InvalidURL:
            self._url = httpx.URL()
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise InvalidSpec(f"the webhook of the {self.name} robot is not an https URL")
        self._secret = secret.strip()
        self._clock = clock

    def send(self, message: Message) -> None:
        """Post one message; the errors are those of `Notifier.send`."""
        url, body = self._request(f"{message.title}\n{message.body}")
        try:
            reply = httpx.post(url, json=body, timeout=TIMEOUT, follow_redirects=False)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise TemporaryError(
                f"{self.name} at {self._url.host} cannot be reached: {error}"
            ) from error
        except httpx.TransportError as error:
            raise UnknownOutcome(f"{self.name} gave no answer: {type(error).__name__}") from error
        self._judge(reply)

    @abstractmethod
    def _request(self, text: str) -> tuple[httpx.URL, dict[str, Any]]:
        """The URL and the JSON body of a text message, signed where there is a secret."""

    def _judge(self, reply: httpx.Response) -> None:
        if reply.status_code >= 500 or reply.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise TemporaryError(f"{self.name} answers {reply.status_code}")
        try:
            answer = reply.json()
            code, words = int(answer[self.fields[0]]), str(answer.get(self.fields[1], ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Refused(
                f"{self.name} answers {reply.status_code} without a result; is the webhook right?"
            ) from None
        if code in self.busy:
            raise TemporaryError(f"{self.name} is busy: {code} {words[:200]}")
        if code or not reply.is_success:
            raise Refused(f"{self.name} refuses the message: {code} {words[:200]}")


class DingTalk(Robot):
    """钉钉. Signs the time in milliseconds; time and signature are in the URL."""

    name = "DingTalk"
    busy = frozenset({-1, 130101, 410100})

    def _request(self, text: str) -> tuple[httpx.URL, dict[str, Any]]:
        url = self._url
        if self._secret:
            timestamp = str(round(self._clock() * 1000))
            sign = _hmac(self._secret, f"{timestamp}\n{self._secret}")
            url = url.copy_merge_params({"timestamp": timestamp, "sign": sign})
        return url, {"msgtype": "text", "text": {"content": text}}


class WeCom(Robot):
    """企业微信. Needs no signature, only the key in the URL."""

    name = "WeCom"
    busy = frozenset({-1, 45009})

    def _request(self, text: str) -> tuple[httpx.URL, dict[str, Any]]:
        return self._url, {"msgtype": "text", "text": {"content": text}}


class Feishu(Robot):
    """飞书, and Lark abroad. Signs an empty text with time and secret as the key, in the body."""

    name = "Feishu"
    busy = frozenset({9499, 11232, 99991400})
    fields = ("code", "msg")

    def _request(self, text: str) -> tuple[httpx.URL, dict[str, Any]]:
        body: dict[str, Any] = {"msg_type": "text", "content": {"text": text}}
        if self._secret:
            timestamp = str(int(self._clock()))
            body |= {"timestamp": timestamp, "sign": _hmac(f"{timestamp}\n{self._secret}", "")}
        return self._url, body


def _hmac(key: str, message: str) -> str:
    digest = hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
