"""Notification services of alarms as Prefect blocks, each with one client."""

from typing import Literal
from urllib.parse import quote, urlencode

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from blocks.server_calls import load_block
from clients.notifications import AppriseService, DingTalk, Feishu, WeCom
from domain.kernel.errors import InvalidSpec
from domain.observe.alarms.deliveries import Notifier

_ROBOT = "The URL that the chat shows when the robot is created"
_SECRET = "Of the security setting 'signature'; empty where the robot has another one"  # noqa: S105


class DingTalkRobot(Block):
    """A robot in a DingTalk (钉钉) group.

    Example:
        ```python
        from blocks.notifications import DingTalkRobot

        DingTalkRobot(webhook="https://oapi.dingtalk.com/robot/send?access_token=…").save("oncall")
        ```
    """

    _block_type_name = "DingTalk Robot"
    _block_type_slug = "dingtalk-robot"

    webhook: SecretStr = Field(description=_ROBOT, json_schema_extra={"position": 0})
    secret: SecretStr = Field(SecretStr(""), description=_SECRET, json_schema_extra={"position": 1})

    def client(self) -> DingTalk:
        """Raises `InvalidSpec` when the webhook is no URL."""
        return DingTalk(self.webhook.get_secret_value(), self.secret.get_secret_value())


class WeComRobot(Block):
    """A robot in a WeCom (企业微信) group.

    Example:
        ```python
        from blocks.notifications import WeComRobot

        WeComRobot.load("oncall").client()
        ```
    """

    _block_type_name = "WeCom Robot"
    _block_type_slug = "wecom-robot"

    webhook: SecretStr = Field(description=_ROBOT, json_schema_extra={"position": 0})

    def client(self) -> WeCom:
        """Raises `InvalidSpec` when the webhook is no URL."""
        return WeCom(self.webhook.get_secret_value())


class FeishuRobot(Block):
    """A robot in a Feishu (飞书) or Lark group.

    Example:
        ```python
        from blocks.notifications import FeishuRobot

        FeishuRobot.load("oncall").client()
        ```
    """

    _block_type_name = "Feishu Robot"
    _block_type_slug = "feishu-robot"

    webhook: SecretStr = Field(description=_ROBOT, json_schema_extra={"position": 0})
    secret: SecretStr = Field(SecretStr(""), description=_SECRET, json_schema_extra={"position": 1})

    def client(self) -> Feishu:
        """Raises `InvalidSpec` when the webhook is no URL."""
        return Feishu(self.webhook.get_secret_value(), self.secret.get_secret_value())


class Mailbox(Block):
    """Mail through an SMTP server.

    Example:
        ```python
        from blocks.notifications import Mailbox

        Mailbox.load("oncall").client()
        ```
    """

    _block_type_name = "Mail to people"
    _block_type_slug = "mailbox"

    server: str = Field(description="SMTP server", min_length=1, json_schema_extra={"position": 0})
    port: int = Field(465, ge=1, le=65535, json_schema_extra={"position": 1})
    security: Literal["ssl", "starttls", "none"] = Field("ssl", json_schema_extra={"position": 2})
    user: str = Field("", json_schema_extra={"position": 3})
    password: SecretStr = Field(SecretStr(""), json_schema_extra={"position": 4})
    sender: str = Field(description="From", min_length=3, json_schema_extra={"position": 5})
    recipients: list[str] = Field(description="To", min_length=1, json_schema_extra={"position": 6})

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


class Webhook(Block):
    """A JSON document posted to a URL: version, title, message, type.

    Example:
        ```python
        from blocks.notifications import Webhook

        Webhook(url="https://example.com/alarms").save("oncall")
        ```
    """

    _block_type_name = "Alarm Webhook"
    _block_type_slug = "alarm-webhook"

    url: SecretStr = Field(
        description="http(s) URL, with user and password if the server requires them",
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
