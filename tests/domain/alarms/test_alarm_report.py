from domain.observe.alarms.deliveries import Delivery, Outcome
from domain.observe.alarms.messages import Message
from domain.observe.alarms.report import AlarmReport, format_alarms, format_undelivered
from tests.domain.alarms.alarm_makers import NOON


def make_delivery(service: str, outcome: Outcome, reason: str = "") -> Delivery:
    return Delivery(1, service, NOON, Message("a node is lost", "", None), outcome, 1, reason)


FAILED = make_delivery("dingtalk-robot/oncall", Outcome.FAILED, "DingTalk answers 500")
REFUSED = make_delivery("wecom-robot/none", Outcome.REFUSED, "there is no such block")
REPORT = AlarmReport(
    "demo", deliveries=(FAILED, make_delivery("mailbox/us", Outcome.SENT), FAILED, REFUSED)
)


def test_services_that_were_not_told_are_named_in_a_few_words() -> None:
    assert format_alarms(REPORT) == (
        "all well; 1 of 4 messages delivered, not all to dingtalk-robot/oncall, wecom-robot/none"
    )


def test_each_service_that_was_not_told_has_its_reason_once() -> None:
    assert format_undelivered(REPORT) == [
        "dingtalk-robot/oncall: 2 messages to be sent again: DingTalk answers 500",
        "wecom-robot/none: 1 message refused: there is no such block",
    ]


def test_a_message_without_a_reason_is_named_all_the_same() -> None:
    report = AlarmReport("demo", deliveries=(make_delivery("mailbox/us", Outcome.EXPIRED),))
    assert format_undelivered(report) == ["mailbox/us: 1 message given up"]


def test_where_all_were_told_nobody_is_named() -> None:
    report = AlarmReport("demo", deliveries=(make_delivery("mailbox/us", Outcome.SENT),))
    assert format_alarms(report) == "all well; 1 of 1 messages delivered"
    assert format_undelivered(report) == []
