"""The text of notifications when an alarm fires, gets worse or resolves, in English and Chinese."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from domain.kernel.durations import format_seconds
from domain.observe.alarms.states import Change, Phase, Subject
from domain.spec.alarms import AlarmRule, Level
from domain.spec.conditions import Comparator, Statistic
from domain.spec.metrics import Per, unit_of
from domain.spec.notifications import Language
from words import translate

BEIJING = timezone(timedelta(hours=8))

MOST_APART = 3
"""Changes by one rule in one evaluation that get a message each; more of them share one."""

MOST_LISTED = 10


@dataclass(frozen=True, slots=True)
class Message:
    """One notification. `level` is None for a resolved alarm and for a test."""

    title: str
    body: str
    level: Level | None


_STATISTICS = {
    Statistic.AVERAGE: "average",
    Statistic.MINIMUM: "minimum",
    Statistic.MAXIMUM: "maximum",
    Statistic.COUNT: "count",
}
_LEVELS_ZH = {Level.WARNING: "警告", Level.ERROR: "错误"}
_STATISTICS_ZH = {
    Statistic.AVERAGE: "平均值",
    Statistic.MINIMUM: "最小值",
    Statistic.MAXIMUM: "最大值",
    Statistic.COUNT: "样本数",
}
_PER_ZH = {Per.MACHINE: "台虚机", Per.GROUP: "个虚机组", Per.CLUSTER: "个集群"}
_UNITS: Mapping[str, str] = {}
_UNITS_ZH = {"days": "天", "machines": "台", "pods": "个", "containers": "个", "values": "个"}
_LOOK = "python -m flows.status --name"
_COMPARATORS_ZH = {
    Comparator.ABOVE: "大于",
    Comparator.AT_LEAST: "不小于",
    Comparator.BELOW: "小于",
    Comparator.AT_MOST: "不大于",
}


def write_messages(
    cluster: str, changes: Iterable[Change], now: datetime, language: Language
) -> tuple[Message, ...]:
    """Write the messages about changes, each with the value, its limit and the time.

    Many changes by one rule at the same time share one message: a hundred messages would hide the
    important one, and chat services refuse more than twenty a minute.
    """
    alike: dict[tuple[str, Phase, Level | None], list[Change]] = {}
    for change in changes:
        state = change.state
        level = state.level if state.phase is Phase.FIRING else None
        alike.setdefault((change.rule.name, state.phase, level), []).append(change)
    parts = (
        part
        for found in alike.values()
        for part in ([found] if len(found) > MOST_APART else [[change] for change in found])
    )
    return tuple(_write(cluster, part, now, language) for part in parts)


def _write(cluster: str, changes: Sequence[Change], now: datetime, language: Language) -> Message:
    """Write one message about changes of the same rule, phase and level."""
    state = changes[0].state
    level = state.level if state.phase is Phase.FIRING else None
    texts = _english(cluster, changes, now, level), _chinese(cluster, changes, now, level)
    return Message(*_in_language(*texts, language), level)


def _english(
    cluster: str, changes: Sequence[Change], now: datetime, level: Level | None
) -> tuple[str, str]:
    first, *more = changes
    rule, state = first.rule, first.state
    sign = str(level).upper() if level else "RESOLVED"
    limit = f"{rule.comparator} {_limit(rule, state.level)}"
    what = rule.title or f"{rule.metric} {limit}"
    where = (
        _place(state.subject, "the whole cluster") if not more else f"{len(changes)} {rule.per}s"
    )
    span = format_seconds(rule.window_seconds).removesuffix(" 00 s")
    seen = f"{_STATISTICS[rule.statistic]} of {rule.metric} over {span}"
    lines = [f"Rule {rule.name}, {now:%Y-%m-%d %H:%M:%S %Z}"]
    if more:
        lines += [f"{seen}; limit {limit}:", *_listed(changes, "no sample", "… and {} more")]
    else:
        if state.value is not None:
            lines.append(f"{seen}: {_number(state.value, rule)}; limit {limit}")
        if first.gone:
            lines.append("It no longer exists.")
        if not level:
            lines.append(f"Fired for {format_seconds(first.lasted)}.")
    if level:
        lines.append(f"See: {_LOOK} {cluster}")
    return f"[{sign}] {cluster}: {what}: {where}", "\n".join(lines)


def _chinese(
    cluster: str, changes: Sequence[Change], now: datetime, level: Level | None
) -> tuple[str, str]:
    first, *more = changes
    rule, state = first.rule, first.state
    sign = _LEVELS_ZH[level] if level else "已恢复"
    limit = f"{_COMPARATORS_ZH[rule.comparator]} {_limit(rule, state.level, _UNITS_ZH)}"
    what = rule.title_zh or rule.title or f"{rule.metric} {limit}"
    where = _place(state.subject, "整个集群") if not more else f"{len(changes)} {_PER_ZH[rule.per]}"
    span = _minutes(rule.window_seconds)
    seen = f"{rule.metric} 最近 {span}的{_STATISTICS_ZH[rule.statistic]}"
    lines = [f"规则 {rule.name}，{_beijing(now)}"]
    if more:
        lines += [
            f"{seen}；告警条件：{limit}：",
            *_listed(changes, "无数据", "……另有 {} 个", _UNITS_ZH),
        ]
    else:
        if state.value is not None:
            lines.append(f"{seen}：{_number(state.value, rule, _UNITS_ZH)}；告警条件：{limit}")
        if first.gone:
            lines.append("对象已不存在。")
        if not level:
            lines.append(f"告警持续 {_minutes(first.lasted)}。")
    if level:
        lines.append(f"查看：{_LOOK} {cluster}")
    return f"【{sign}】{cluster}：{what}：{where}", "\n".join(lines)


def _listed(
    changes: Sequence[Change], unknown: str, rest: str, units: Mapping[str, str] = _UNITS
) -> list[str]:
    """One line for each of the first `MOST_LISTED` changes, then the number of the others."""
    lines = []
    for change in changes[:MOST_LISTED]:
        value = change.state.value
        words = unknown if value is None else _number(value, change.rule, units)
        lines.append(f"{_place(change.state.subject, '')}: {words}")
    left = len(changes) - len(lines)
    return [*lines, rest.format(left)] if left else lines


def _place(subject: Subject, everywhere: str) -> str:
    return subject.machine or subject.group or everywhere


def _limit(rule: AlarmRule, level: Level | None, units: Mapping[str, str] = _UNITS) -> str:
    warning_first = (
        (rule.error, rule.warning) if level is Level.ERROR else (rule.warning, rule.error)
    )
    return next(_number(limit, rule, units) for limit in warning_first if limit is not None)


def _number(value: float, rule: AlarmRule, units: Mapping[str, str] = _UNITS) -> str:
    unit = "" if rule.statistic is Statistic.COUNT else unit_of(rule.metric)
    number = f"{value:.6g}"
    return number if unit in ("", "yes/no") else f"{number} {units.get(unit, unit)}"


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} 秒"
    return f"{minutes} 分钟" if not rest else f"{minutes} 分 {rest} 秒"


def write_blindness(cluster: str, reason: str, now: datetime, language: Language) -> Message:
    """Write that alarms cannot be evaluated or, without a reason, that they are evaluated again."""
    if reason:
        level = Level.ERROR
        english = f"[ERROR] {cluster}: alarms are blind", f"{now:%Y-%m-%d %H:%M:%S %Z}: {reason}"
        chinese = f"【错误】{cluster}：无法评估告警", f"{_beijing(now)}：{translate(reason, 'zh')}"
    else:
        level = None
        english = (
            f"[RESOLVED] {cluster}: alarms are evaluated again",
            f"{now:%Y-%m-%d %H:%M:%S %Z}",
        )
        chinese = f"【已恢复】{cluster}：告警恢复评估", _beijing(now)
    return Message(*_in_language(english, chinese, language), level)


def write_test(cluster: str, now: datetime, language: Language) -> Message:
    """Write a message that only tests the delivery."""
    english = (
        f"[TEST] {cluster}: this is what an alarm looks like",
        f"{now:%Y-%m-%d %H:%M:%S %Z}: this message only tests the delivery. Nothing is wrong.",
    )
    chinese = f"【测试】{cluster}：告警消息示例", f"{_beijing(now)}：测试消息，无需处理。"
    return Message(*_in_language(english, chinese, language), None)


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
