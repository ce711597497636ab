"""Notification services of alarms as Prefect blocks, each with one client."""

from abc import ABC, abstractmethod
from typing import Literal
from urllib.parse import quote, urlencode

from prefect.blocks.abstract import NotificationBlock, NotificationError
from prefect.utilities.asyncutils import run_sync_in_worker_thread
from pydantic import Field, HttpUrl, SecretStr

from blocks.looks import WithLogo
from blocks.server_calls import load_block
from clients.notifications import AppriseService, DingTalk, Feishu, WeCom
from domain.kernel.errors import ClusterError, InvalidSpec
from domain.observe.alarms.deliveries import Notifier
from domain.observe.alarms.messages import Message
from domain.spec.alarms import Level

_ROBOT = "The URL that the chat shows when the robot is created."
_SECRET = "Of the security setting 'signature'; empty where the robot has another one."  # noqa: S105


class Service(NotificationBlock, ABC):
    """A service that Prefect's automations can use, too."""

    @abstractmethod
    def client(self) -> Notifier:
        """Open the service. Raises `InvalidSpec` when a value of the block is not valid."""

    async def notify(self, body: str, subject: str | None = None) -> None:
        """Send a message, as an automation of Prefect does.

        Raises:
            NotificationError: the service did not accept it; the log is the reason.
        """
        message = Message(subject or "Prefect", body, Level.WARNING)
        try:
            await run_sync_in_worker_thread(lambda: self.client().send(message))
        except ClusterError as error:
            raise NotificationError(str(error)) from error


class DingTalkRobot(WithLogo, Service):
    """A robot in a DingTalk (钉钉) group.

    Example:
        ```python
        from blocks.notifications import DingTalkRobot

        service = DingTalkRobot.load("BLOCK_NAME")
        await service.notify("The text of the message", "Its title")
        ```
    """

    _block_type_name = "DingTalk Robot"
    _block_type_slug = "dingtalk-robot"
    _documentation_url = HttpUrl("https://open.dingtalk.com/document/robots/custom-robot-access")

    webhook: SecretStr = Field(description=_ROBOT, json_schema_extra={"position": 0})
    secret: SecretStr = Field(SecretStr(""), description=_SECRET, json_schema_extra={"position": 1})

    def client(self) -> DingTalk:
        """Raises `InvalidSpec` when the webhook is no URL."""
        return DingTalk(self.webhook.get_secret_value(), self.secret.get_secret_value())


class WeComRobot(WithLogo, Service):
    """A robot in a WeCom (企业微信) group.

    Example:
        ```python
        from blocks.notifications import WeComRobot

        service = WeComRobot.load("BLOCK_NAME")
        await service.notify("The text of the message", "Its title")
        ```
    """

    _block_type_name = "WeCom Robot"
    _block_type_slug = "wecom-robot"
    _documentation_url = HttpUrl("https://developer.work.weixin.qq.com/document/path/91770")

    webhook: SecretStr = Field(description=_ROBOT, json_schema_extra={"position": 0})

    def client(self) -> WeCom:
        """Raises `InvalidSpec` when the webhook is no URL."""
        return WeCom(self.webhook.get_secret_value())


class FeishuRobot(WithLogo, Service):
    """A robot in a Feishu (飞书) or Lark group.

    Example:
        ```python
        from blocks.notifications import FeishuRobot

        service = FeishuRobot.load("BLOCK_NAME")
        await service.notify("The text of the message", "Its title")
        ```
    """

    _block_type_name = "Feishu Robot"
    _block_type_slug = "feishu-robot"
    _documentation_url = HttpUrl(
        "https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot"
    )

    webhook: SecretStr = Field(description=_ROBOT, json_schema_extra={"position": 0})
    secret: SecretStr = Field(SecretStr(""), description=_SECRET, json_schema_extra={"position": 1})

    def client(self) -> Feishu:
        """Raises `InvalidSpec` when the webhook is no URL."""
        return Feishu(self.webhook.get_secret_value(), self.secret.get_secret_value())


class Mailbox(WithLogo, Service):
    """Mail through an SMTP server.

    Example:
        ```python
        from blocks.notifications import Mailbox

        service = Mailbox.load("BLOCK_NAME")
        await service.notify("The text of the message", "Its title")
        ```
    """

    _block_type_name = "Mail to people"
    _block_type_slug = "mailbox"
    _documentation_url = HttpUrl("https://appriseit.com/services/email/")

    server: str = Field(
        description="Host of the SMTP server.", min_length=1, json_schema_extra={"position": 0}
    )
    port: int = Field(
        465, ge=1, le=65535, description="Its TCP port.", json_schema_extra={"position": 1}
    )
    security: Literal["ssl", "starttls", "none"] = Field(
        "ssl", description="How the connection is encrypted.", json_schema_extra={"position": 2}
    )
    user: str = Field(
        "",
        description="User of the server; empty without a login.",
        json_schema_extra={"position": 3},
    )
    password: SecretStr = Field(
        SecretStr(""), description="Password of that user.", json_schema_extra={"position": 4}
    )
    sender: str = Field(
        description="Address in From.", min_length=3, json_schema_extra={"position": 5}
    )
    recipients: list[str] = Field(
        description="Addresses in To.", min_length=1, json_schema_extra={"position": 6}
    )

    def client(self) -> AppriseService:
        """Raises `InvalidSpec` when an address is not valid."""
        password = self.password.get_secret_value()
        login = quote(self.user, safe="") + (f":{quote(password, safe='')}" if password else "")
        scheme = "mailto" if self.security == "none" else "mailtos"
        query = {"from": self.sender, "to": ",".join(self.recipients), "format": "text"}
        if self.security != "none":
            query["mode"] = self.security
        place = f"{login}@{self.server}" if self.user else self.server
        return AppriseService(f"{scheme}://{place}:{self.port}/?{urlencode(query)}")


class Webhook(WithLogo, Service):
    """A JSON document posted to a URL: version, title, message, type.

    Example:
        ```python
        from blocks.notifications import Webhook

        service = Webhook.load("BLOCK_NAME")
        await service.notify("The text of the message", "Its title")
        ```
    """

    _block_type_name = "Alarm Webhook"
    _block_type_slug = "alarm-webhook"
    _documentation_url = HttpUrl("https://appriseit.com/services/json/")

    url: SecretStr = Field(
        description="http(s) URL, with user and password if the server requires them.",
        json_schema_extra={"position": 0},
    )

    def client(self) -> AppriseService:
        """Raises `InvalidSpec` when the URL is not valid."""
        scheme, mark, rest = self.url.get_secret_value().strip().partition("://")
        if not mark or scheme.lower() not in ("http", "https"):
            raise InvalidSpec("the webhook is not an http or https URL")
        return AppriseService(f"{'jsons' if scheme.lower() == 'https' else 'json'}://{rest}")


SERVICES: tuple[type[DingTalkRobot | WeComRobot | FeishuRobot | Mailbox | Webhook], ...] = (
    DingTalkRobot,
    WeComRobot,
    FeishuRobot,
    Mailbox,
    Webhook,
)


def open_service(reference: str) -> Notifier:
    """Open the service of a saved block.

    Args:
        reference: the block's type and name, such as `dingtalk-robot/oncall`.

    Raises:
        InvalidSpec: no such type, or no block of this name, or a value of it is not valid.
    """
    slug, _, name = reference.partition("/")
    kinds = {kind._block_type_slug: kind for kind in SERVICES}
    if slug not in kinds:
        known = ", ".join(str(kind) for kind in kinds)
        raise InvalidSpec(f"{slug!r} is not a kind of notification; known are {known}")
    block = load_block(kinds[slug], name)
    if block is None:
        raise InvalidSpec(
            f"there is no {slug} block named {name!r} on this Prefect server; save one in its UI "
            "under Blocks"
        )
    return block.client()
