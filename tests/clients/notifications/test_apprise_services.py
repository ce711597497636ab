import socketserver
from collections.abc import Iterator
from threading import Thread

import pytest
from prefect.blocks.core import Block
from pydantic import SecretStr

from blocks.notifications import SERVICES, DingTalkRobot, FeishuRobot, Mailbox, Webhook, WeComRobot
from domain.kernel.errors import InvalidSpec, TemporaryError
from domain.observe.alarms.messages import Message
from domain.spec.alarms import Level
from tests.clients.notifications.chat_server import FEISHU_TAKEN, ChatServer, dingtalk_accepts

MESSAGE = Message("[ERROR] demo: node is not Ready", "k8s-node-a & <others>", Level.ERROR)


class Postman(socketserver.StreamRequestHandler):
    """As much of SMTP as it takes to receive one message."""

    def handle(self) -> None:
        def say(line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        say("220 post")
        for raw in self.rfile:
            word = raw.split()[0].upper() if raw.split() else b""
            if word == b"DATA":
                say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append(b"".join(lines).decode())  # type: ignore[attr-defined]
            elif word == b"QUIT":
                say("221 bye")
                return
            say("250 well")


class PostOffice(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Postman)
        self.mails: list[str] = []


@pytest.fixture
def post() -> Iterator[PostOffice]:
    with PostOffice() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_webhook_receives_one_json_document(chat: ChatServer) -> None:
    Webhook(url=SecretStr(f"{chat.url}/alarms")).client().send(MESSAGE)
    [request] = chat.received
    assert request.path.rstrip("/") == "/alarms"
    assert request.body["title"] == MESSAGE.title
    assert request.body["message"] == MESSAGE.body
    assert request.body["type"] == "failure"


def test_webhook_that_answers_500_is_a_failure_with_a_reason(chat: ChatServer) -> None:
    chat.status = 500
    with pytest.raises(TemporaryError, match=r"not delivered: .*error=500"):
        Webhook(url=SecretStr(f"{chat.url}/alarms")).client().send(MESSAGE)


@pytest.mark.parametrize("url", ["", "alarms", "ftp://127.0.0.1/"])
def test_webhook_that_is_not_a_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidSpec):
        Webhook(url=SecretStr(url)).client()


def test_mail_arrives_in_its_box(post: PostOffice) -> None:
    box = Mailbox(
        server="127.0.0.1",
        port=post.server_address[1],
        security="none",
        sender="cluster@example.com",
        recipients=["one@example.com", "two@example.com"],
    )
    box.client().send(MESSAGE)
    assert len(post.mails) == 2
    assert all("Subject: [ERROR] demo: node is not Ready" in mail for mail in post.mails)
    assert {"one@example.com", "two@example.com"} == {
        line.removeprefix("To: ").strip(" <>")
        for mail in post.mails
        for line in mail.splitlines()
        if line.startswith("To: ")
    }


def test_unreachable_mail_server_is_a_failure_with_a_reason() -> None:
    box = Mailbox(
        server="127.0.0.1",
        port=9,
        security="none",
        sender="a@example.com",
        recipients=["b@example.com"],
        user="me",
        password=SecretStr("topsecret"),
    )
    with pytest.raises(TemporaryError, match="not delivered") as caught:
        box.client().send(MESSAGE)
    assert "topsecret" not in str(caught.value)


def test_invalid_mail_address_is_refused_without_a_letter_of_the_password() -> None:
    box = Mailbox(
        server="127.0.0.1",
        user="me",
        password=SecretStr("a-secret"),
        sender="nobody",
        recipients=["us"],
    )
    with pytest.raises(InvalidSpec, match="Invalid ~From~ email specified: nobody") as info:
        box.client()
    assert "://" not in str(info.value)


def test_robots_of_blocks_post_to_their_webhook(chat: ChatServer) -> None:
    hook, secret = SecretStr(f"{chat.url}/hook"), SecretStr("SEC123")
    DingTalkRobot(webhook=hook, secret=secret).client().send(MESSAGE)
    WeComRobot(webhook=hook).client().send(MESSAGE)
    chat.answer = FEISHU_TAKEN
    FeishuRobot(webhook=hook, secret=secret).client().send(MESSAGE)
    assert dingtalk_accepts(chat.received[0], "SEC123")
    assert "sign" in chat.received[2].body


@pytest.mark.parametrize("kind", SERVICES, ids=lambda kind: kind.__name__)
def test_block_shows_no_secret_and_has_a_description(kind: type[Block]) -> None:
    fields = kind.model_fields
    secret = {name for name in fields if name in ("webhook", "secret", "url", "password")}
    assert secret <= set(kind._to_block_schema().fields["secret_fields"])
    assert kind.get_description()
    assert kind.get_code_example()
