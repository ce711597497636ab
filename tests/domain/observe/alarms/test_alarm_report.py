from domain.observe.alarms.deliveries import Delivery, Outcome
from domain.observe.alarms.messages import Message
from domain.observe.alarms.report import AlarmReport, format_alarms, format_undelivered
from tests.domain.observe.alarms.alarm_makers import NOON


def make_delivery(service: str, outcome: Outcome, reason: str = "") -> Delivery:
    return Delivery(1, service, NOON, Message("a node is lost", "", None), outcome, 1, reason)


FAILED = make_delivery("dingtalk-robot/oncall", Outcome.FAILED, "DingTalk answers 500")
REFUSED = make_delivery("wecom-robot/none", Outcome.REFUSED, "there is no such block")
REPORT = AlarmReport(
    "demo", deliveries=(FAILED, make_delivery("mailbox/us", Outcome.SENT), FAILED, REFUSED)
)


def test_failed_services_are_named_in_the_summary() -> None:
    assert format_alarms(REPORT) == (
        "none fires, none is pending; 1 of 4 messages delivered, "
        "not all to dingtalk-robot/oncall, wecom-robot/none"
    )


def test_failed_service_is_listed_once_per_reason() -> None:
    assert format_undelivered(REPORT) == [
        "dingtalk-robot/oncall: 2 messages to be sent again: DingTalk answers 500",
        "wecom-robot/none: 1 message refused: there is no such block",
    ]


def test_failed_message_without_a_reason_is_listed() -> None:
    report = AlarmReport("demo", deliveries=(make_delivery("mailbox/us", Outcome.EXPIRED),))
    assert format_undelivered(report) == ["mailbox/us: 1 message given up"]


def test_no_service_is_listed_when_all_messages_arrived() -> None:
    report = AlarmReport("demo", deliveries=(make_delivery("mailbox/us", Outcome.SENT),))
    assert format_alarms(report) == "none fires, none is pending; 1 of 1 messages delivered"
    assert format_undelivered(report) == []
