"""What people read when an alarm fires, gets worse, or is over: in English and in Chinese."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import StrEnum

from domain.alarms.rules import AlarmRule, Comparator, Level, Statistic
from domain.alarms.states import Change, Phase, Subject
from domain.durations import say_seconds
from domain.metrics.catalog import unit_of

BEIJING = timezone(timedelta(hours=8))


class Language(StrEnum):
    ENGLISH = "en"
    CHINESE = "zh"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Message:
    """`level` is None when an alarm is over."""

    title: str
    body: str
    level: Level | None


_LEVELS_ZH = {Level.WARNING: "警告", Level.ERROR: "错误"}
_STATISTICS_ZH = {
    Statistic.AVERAGE: "平均值",
    Statistic.MINIMUM: "最小值",
    Statistic.MAXIMUM: "最大值",
    Statistic.COUNT: "样本数",
}
_COMPARATORS_ZH = {
    Comparator.ABOVE: "大于",
    Comparator.AT_LEAST: "不小于",
    Comparator.BELOW: "小于",
    Comparator.AT_MOST: "不大于",
}


def write_message(cluster: str, change: Change, now: datetime, language: Language) -> Message:
    """Write what has changed; the number, its limit and the time stand in every message."""
    level = change.state.level if change.state.phase is Phase.FIRING else None
    texts = _english(cluster, change, now), _chinese(cluster, change, now)
    return Message(*_in_language(*texts, language), level)


def _english(cluster: str, change: Change, now: datetime) -> tuple[str, str]:
    rule, state = change.rule, change.state
    what = rule.title or f"{rule.metric} {rule.comparator} {_limit(rule, state.level)}"
    firing = state.phase is Phase.FIRING
    sign = str(state.level).upper() if firing else "RESOLVED"
    title = f"[{sign}] {cluster}: {what}: {_place(state.subject, 'the whole cluster')}"
    lines = [f"Rule {rule.name}, {now:%Y-%m-%d %H:%M:%S %Z}"]
    if state.value is not None:
        lines.append(
            f"{rule.statistic} of {rule.metric} over {say_seconds(rule.window)}: "
            f"{_number(state.value, rule)}; limit {rule.comparator} {_limit(rule, state.level)}"
        )
    if change.gone:
        lines.append("It does not exist any more.")
    if not firing:
        lines.append(f"Fired for {say_seconds(change.lasted)}.")
    return title, "\n".join(lines)


def _chinese(cluster: str, change: Change, now: datetime) -> tuple[str, str]:
    rule, state = change.rule, change.state
    limit = f"{_COMPARATORS_ZH[rule.comparator]} {_limit(rule, state.level)}"
    what = rule.title_zh or rule.title or f"{rule.metric} {limit}"
    firing = state.phase is Phase.FIRING and state.level is not None
    sign = _LEVELS_ZH[state.level] if firing and state.level else "已恢复"
    title = f"【{sign}】{cluster}：{what}：{_place(state.subject, '整个集群')}"
    lines = [f"规则 {rule.name}，{_beijing(now)}"]
    if state.value is not None:
        lines.append(
            f"{rule.metric} 最近 {_minutes(rule.window)} 的{_STATISTICS_ZH[rule.statistic]}："
            f"{_number(state.value, rule)}；告警条件：{limit}"
        )
    if change.gone:
        lines.append("对象已不存在。")
    if not firing:
        lines.append(f"告警持续 {_minutes(change.lasted)}。")
    return title, "\n".join(lines)


def _place(subject: Subject, everywhere: str) -> str:
    return subject.machine or subject.group or everywhere


def _limit(rule: AlarmRule, level: Level | None) -> str:
    warning_first = (
        (rule.error, rule.warning) if level is Level.ERROR else (rule.warning, rule.error)
    )
    return next(f"{limit:g}" for limit in warning_first if limit is not None)


def _number(value: float, rule: AlarmRule) -> str:
    unit = "" if rule.statistic is Statistic.COUNT else unit_of(rule.metric)
    number = f"{value:.6g}"
    return number if unit in ("", "yes/no") else f"{number} {unit}"


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} 秒"
    return f"{minutes} 分钟" if not rest else f"{minutes} 分 {rest} 秒"


def write_blindness(cluster: str, reason: str, now: datetime, language: Language) -> Message:
    """Write that alarms cannot be evaluated, or, without a reason, that they are again."""
    if reason:
        level = Level.ERROR
        english = f"[ERROR] {cluster}: alarms are blind", f"{now:%Y-%m-%d %H:%M:%S %Z}: {reason}"
        chinese = f"【错误】{cluster}：无法评估告警", f"{_beijing(now)}：{reason}"
    else:
        level = None
        english = (
            f"[RESOLVED] {cluster}: alarms are evaluated again",
            f"{now:%Y-%m-%d %H:%M:%S %Z}",
        )
        chinese = f"【已恢复】{cluster}：告警恢复评估", _beijing(now)
    return Message(*_in_language(english, chinese, language), level)


def _in_language(
    english: tuple[str, str], chinese: tuple[str, str], language: Language
) -> tuple[str, str]:
    match language:
        case Language.ENGLISH:
            return english
        case Language.CHINESE:
            return chinese
        case Language.BOTH:
            return f"{chinese[0]} / {english[0]}", f"{chinese[1]}\n\n{english[1]}"


def _beijing(moment: datetime) -> str:
    return f"{moment.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}（北京时间）"
