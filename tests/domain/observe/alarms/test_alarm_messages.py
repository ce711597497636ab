from datetime import datetime

import pytest

from domain.observe.alarms.messages import Message, write_blindness, write_messages
from domain.observe.alarms.states import Change, Phase, Subject
from domain.spec.alarms import BUILT_IN, Level
from domain.spec.conditions import Statistic
from domain.spec.notifications import Language
from tests.domain.observe.alarms.alarm_makers import at, make_rule, make_state


def write_message(cluster: str, change: Change, now: datetime, language: Language) -> Message:
    [message] = write_messages(cluster, [change], now, language)
    return message


def test_firing_alarm_names_place_rule_value_and_time() -> None:
    change = Change(make_rule(), make_state(Phase.FIRING))
    message = write_message("demo", change, at(1), Language.ENGLISH)
    assert message.title == "[WARNING] demo: CPU is busy: k8s-node-a"
    assert message.level is Level.WARNING
    assert "average of cpu over 5 min: 85 %; limit > 80 %" in message.body
    assert "2026-11-01 12:01:00 UTC" in message.body


def test_chinese_message_has_chinese_words_and_beijing_time() -> None:
    state = make_state(Phase.FIRING, level=Level.ERROR, value=97.0)
    message = write_message("demo", Change(make_rule(), state), at(1), Language.CHINESE)
    assert message.title == "【错误】demo：CPU 使用率高：k8s-node-a"
    assert "cpu 最近 5 分钟的平均值：97 %；告警条件：大于 95 %" in message.body
    assert "2026-11-01 20:01:00（北京时间）" in message.body


def test_chinese_message_has_chinese_units() -> None:
    rule = make_rule(metric="certificateDays", comparator="<", warning=30, error=7, per="cluster")
    state = make_state(Phase.FIRING, level=Level.ERROR, subject=Subject(), value=5.0)
    message = write_message("demo", Change(rule, state), at(0), Language.CHINESE)
    assert "平均值：5 天；告警条件：小于 7 天" in message.body


def test_both_languages_stand_in_one_message() -> None:
    change = Change(make_rule(), make_state(Phase.FIRING))
    message = write_message("demo", change, at(1), Language.BOTH)
    assert "【警告】demo" in message.title
    assert "[WARNING] demo" in message.title


def test_resolved_alarm_gives_the_time_that_it_fired() -> None:
    change = Change(make_rule(), make_state(Phase.RESOLVED), lasted=300)
    english = write_message("demo", change, at(5), Language.ENGLISH)
    chinese = write_message("demo", change, at(5), Language.CHINESE)
    assert english.title.startswith("[RESOLVED] demo")
    assert english.level is None
    assert "Fired for 5 min 00 s." in english.body
    assert chinese.title.startswith("【已恢复】demo")
    assert "告警持续 5 分钟。" in chinese.body


def test_alarm_of_a_deleted_machine_names_the_reason() -> None:
    change = Change(make_rule(), make_state(Phase.RESOLVED), gone=True, lasted=60)
    assert "It no longer exists." in write_message("demo", change, at(1), Language.ENGLISH).body


def test_count_of_samples_has_no_unit() -> None:
    rule = make_rule(statistic=Statistic.COUNT, comparator="<", warning=None, error=1)
    state = make_state(Phase.FIRING, level=Level.ERROR, value=0.0)
    message = write_message("demo", Change(rule, state), at(0), Language.ENGLISH)
    assert "count of cpu over 5 min: 0; limit < 1" in message.body


def test_firing_alarm_names_a_command_and_a_resolved_one_does_not() -> None:
    firing = Change(make_rule(), make_state(Phase.FIRING))
    over = Change(make_rule(), make_state(Phase.RESOLVED), lasted=60)
    command = "python -m flows.status --name demo"
    assert write_message("demo", firing, at(0), Language.BOTH).body.count(command) == 2
    assert command not in write_message("demo", over, at(0), Language.BOTH).body


def changes_of(number: int) -> list[Change]:
    return [
        Change(make_rule(), make_state(Phase.FIRING, subject=Subject("k8s-node", f"n{one}")))
        for one in range(number)
    ]


def test_few_alarms_get_a_message_each() -> None:
    messages = write_messages("demo", changes_of(3), at(0), Language.ENGLISH)
    assert [message.title for message in messages] == [
        f"[WARNING] demo: CPU is busy: n{number}" for number in range(3)
    ]


def test_many_alarms_of_a_rule_are_one_message_that_names_them() -> None:
    worse = Change(make_rule(), make_state(Phase.FIRING, level=Level.ERROR, value=97.0))
    many, one = write_messages("demo", [*changes_of(12), worse], at(0), Language.ENGLISH)
    assert many.title == "[WARNING] demo: CPU is busy: 12 machines"
    assert "average of cpu over 5 min; limit > 80 %:\nn0: 85 %\nn1: 85 %" in many.body
    assert "n9: 85 %\n… and 2 more" in many.body
    assert one.title == "[ERROR] demo: CPU is busy: k8s-node-a"


def test_many_alarms_are_one_message_in_chinese_too() -> None:
    [message] = write_messages("demo", changes_of(12), at(0), Language.CHINESE)
    assert message.title == "【警告】demo：CPU 使用率高：12 台虚机"
    assert "……另有 2 个" in message.body


def test_message_fits_into_the_smallest_chat() -> None:
    """WeCom accepts 2,048 bytes of text; a Chinese character takes three."""
    rule = make_rule(name="r" * 40, metric="m" * 40, title="t" * 80, title_zh="字" * 80)
    subjects = [Subject("k8s-master", f"k8s-master-{number:08}") for number in range(5000)]
    changes = [Change(rule, make_state(Phase.FIRING, subject=subject)) for subject in subjects]
    [message] = write_messages("a-long-cluster", changes, at(0), Language.BOTH)
    assert len(f"{message.title}\n{message.body}".encode()) <= 2048


@pytest.mark.parametrize("rule", BUILT_IN, ids=lambda rule: rule.name)
@pytest.mark.parametrize("language", Language)
def test_every_built_in_rule_has_a_message(rule: object, language: Language) -> None:
    state = make_state(Phase.FIRING, level=Level.ERROR, subject=Subject())
    message = write_message("demo", Change(rule, state), at(0), language)  # type: ignore[arg-type]
    assert message.title
    assert message.body


def test_blindness_is_notified_with_its_reason() -> None:
    message = write_blindness("demo", "the database is gone", at(0), Language.BOTH)
    assert message.level is Level.ERROR
    assert message.body.count("the database is gone") == 2
    assert write_blindness("demo", "", at(0), Language.BOTH).level is None
