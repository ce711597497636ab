import pytest

from domain.alarms.messages import Language, write_blindness, write_message
from domain.alarms.rules import BUILT_IN, Level, Statistic
from domain.alarms.states import Change, Phase, Subject
from tests.domain.alarms.alarm_makers import at, make_rule, make_state


def test_firing_alarm_says_where_what_how_much_and_when() -> None:
    change = Change(make_rule(), make_state(Phase.FIRING))
    message = write_message("demo", change, at(1), Language.ENGLISH)
    assert message.title == "[WARNING] demo: CPU is busy: k8s-node-a"
    assert message.level is Level.WARNING
    assert "average of cpu over 5 min 00 s: 85 %; limit > 80" in message.body
    assert "2026-11-01 12:01:00 UTC" in message.body


def test_chinese_message_has_chinese_words_and_beijing_time() -> None:
    state = make_state(Phase.FIRING, level=Level.ERROR, value=97.0)
    message = write_message("demo", Change(make_rule(), state), at(1), Language.CHINESE)
    assert message.title == "【错误】demo：CPU 使用率高：k8s-node-a"
    assert "cpu 最近 5 分钟 的平均值：97 %；告警条件：大于 95" in message.body
    assert "2026-11-01 20:01:00（北京时间）" in message.body


def test_both_languages_stand_in_one_message() -> None:
    change = Change(make_rule(), make_state(Phase.FIRING))
    message = write_message("demo", change, at(1), Language.BOTH)
    assert "【警告】demo" in message.title
    assert "[WARNING] demo" in message.title


def test_resolved_alarm_says_how_long_it_has_fired() -> None:
    change = Change(make_rule(), make_state(Phase.RESOLVED), lasted=300)
    english = write_message("demo", change, at(5), Language.ENGLISH)
    chinese = write_message("demo", change, at(5), Language.CHINESE)
    assert english.title.startswith("[RESOLVED] demo")
    assert english.level is None
    assert "Fired for 5 min 00 s." in english.body
    assert chinese.title.startswith("【已恢复】demo")
    assert "告警持续 5 分钟。" in chinese.body


def test_alarm_of_what_is_gone_says_so() -> None:
    change = Change(make_rule(), make_state(Phase.RESOLVED), gone=True, lasted=60)
    assert "does not exist any more" in write_message("demo", change, at(1), Language.ENGLISH).body


def test_count_of_samples_has_no_unit() -> None:
    rule = make_rule(statistic=Statistic.COUNT, comparator="<", warning=None, error=1)
    state = make_state(Phase.FIRING, level=Level.ERROR, value=0.0)
    message = write_message("demo", Change(rule, state), at(0), Language.ENGLISH)
    assert "count of cpu over 5 min 00 s: 0; limit < 1" in message.body


@pytest.mark.parametrize("rule", BUILT_IN, ids=lambda rule: rule.name)
@pytest.mark.parametrize("language", Language)
def test_every_built_in_rule_can_be_told(rule: object, language: Language) -> None:
    state = make_state(Phase.FIRING, level=Level.ERROR, subject=Subject())
    message = write_message("demo", Change(rule, state), at(0), language)  # type: ignore[arg-type]
    assert message.title
    assert message.body


def test_blindness_is_told_with_its_reason() -> None:
    message = write_blindness("demo", "the database is gone", at(0), Language.BOTH)
    assert message.level is Level.ERROR
    assert message.body.count("the database is gone") == 2
    assert write_blindness("demo", "", at(0), Language.BOTH).level is None
