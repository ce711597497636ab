import socket
from threading import Thread

import pytest

from clients.notifications import DingTalk, Feishu, Robot, WeCom
from domain.kernel.errors import InvalidSpec, Refused, TemporaryError, UnknownOutcome
from domain.observe.alarms.messages import Message
from domain.spec.alarms import Level
from tests.clients.notifications.chat_server import (
    FEISHU_TAKEN,
    ChatServer,
    dingtalk_accepts,
    feishu_accepts,
)

MESSAGE = Message("【错误】demo：节点未就绪", "k8s-node-a", Level.ERROR)
SECRET = "SECc0ffee0123456789"
NOON = 1_793_534_400.25


def test_dingtalk_message_arrives_with_a_signature_that_dingtalk_accepts(chat: ChatServer) -> None:
    robot = DingTalk(f"{chat.url}/robot/send?access_token=abc", SECRET, clock=lambda: NOON)
    robot.send(MESSAGE)
    [request] = chat.received
    assert request.path == "/robot/send"
    assert request.query["access_token"] == "abc"
    assert request.query["timestamp"] == "1793534400250"
    assert dingtalk_accepts(request, SECRET)
    assert request.body == {
        "msgtype": "text",
        "text": {"content": "【错误】demo：节点未就绪\nk8s-node-a"},
    }


@pytest.mark.parametrize("second", range(0, 40, 3))
def test_dingtalk_signature_is_escaped_once_whatever_is_in_it(
    chat: ChatServer, second: int
) -> None:
    DingTalk(f"{chat.url}/x?access_token=a", SECRET, clock=lambda: NOON + second).send(MESSAGE)
    assert dingtalk_accepts(chat.received[0], SECRET)


def test_dingtalk_robot_without_a_secret_does_not_sign(chat: ChatServer) -> None:
    DingTalk(f"{chat.url}/robot/send?access_token=abc").send(MESSAGE)
    assert chat.received[0].query == {"access_token": "abc"}


def test_wecom_message_arrives(chat: ChatServer) -> None:
    WeCom(f"{chat.url}/cgi-bin/webhook/send?key=k-1").send(MESSAGE)
    [request] = chat.received
    assert request.query == {"key": "k-1"}
    assert request.body["text"]["content"].startswith("【错误】demo")


def test_feishu_message_arrives_with_a_signature_that_feishu_accepts(chat: ChatServer) -> None:
    chat.answer = FEISHU_TAKEN
    Feishu(f"{chat.url}/open-apis/bot/v2/hook/t", SECRET, clock=lambda: NOON).send(MESSAGE)
    [request] = chat.received
    assert request.body["timestamp"] == "1793534400"
    assert feishu_accepts(request, SECRET)
    assert request.body["msg_type"] == "text"


@pytest.mark.parametrize("kind", [DingTalk, WeCom, Feishu])
def test_refusal_in_the_body_of_a_200_is_a_failure(chat: ChatServer, kind: type[Robot]) -> None:
    chat.answer = {"errcode": 310000, "errmsg": "sign not match", "code": 19021, "msg": "sign fail"}
    with pytest.raises(Refused, match=r"refuses the message: (310000 sign not match|19021 sign)"):
        kind(f"{chat.url}/hook").send(MESSAGE)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (DingTalk, {"errcode": 130101, "errmsg": "send too fast"}),
        (WeCom, {"errcode": 45009, "errmsg": "api freq out of limit"}),
        (Feishu, {"code": 11232, "msg": "frequency limited"}),
    ],
)
def test_too_many_messages_can_be_sent_later(
    chat: ChatServer, kind: type[Robot], answer: dict[str, object]
) -> None:
    chat.answer = answer
    with pytest.raises(TemporaryError, match="busy"):
        kind(f"{chat.url}/hook").send(MESSAGE)


@pytest.mark.parametrize("status", [500, 502, 429])
def test_server_error_is_temporary(chat: ChatServer, status: int) -> None:
    chat.status = status
    with pytest.raises(TemporaryError, match=f"DingTalk answers {status}") as caught:
        DingTalk(f"{chat.url}/hook?access_token=topsecret", SECRET).send(MESSAGE)
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize(("status", "answer"), [(404, {"errcode": 0}), (200, ["?"]), (200, {})])
def test_answer_without_a_result_is_a_refusal(
    chat: ChatServer, status: int, answer: object
) -> None:
    chat.status, chat.answer = status, answer
    with pytest.raises(Refused):
        WeCom(f"{chat.url}/hook").send(MESSAGE)


def test_closed_port_is_temporary_and_names_no_secret() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(TemporaryError, match="cannot be reached") as caught:
        Feishu(f"http://127.0.0.1:{port}/hook/topsecret").send(MESSAGE)
    assert "topsecret" not in str(caught.value)


def test_connection_that_breaks_before_the_answer_leaves_it_unknown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/hook"

        def hang_up() -> None:
            connection, _ = server.accept()
            connection.recv(65536)
            connection.close()

        thread = Thread(target=hang_up)
        thread.start()
        with pytest.raises(UnknownOutcome):
            WeCom(url).send(MESSAGE)
        thread.join()


@pytest.mark.parametrize("webhook", ["", "oapi.dingtalk.com/robot", "ftp://x/y", "https://"])
def test_invalid_webhook_is_refused_and_not_quoted(webhook: str) -> None:
    with pytest.raises(InvalidSpec, match="the webhook of the DingTalk robot is not an https URL"):
        DingTalk(webhook)
