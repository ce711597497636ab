"""Reference pages that are made from the code, so that they cannot say anything else."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from docs.site.chinese import in_chinese
from docs.site.commands import commands_page
from docs.site.markdown import code, table, written
from domain.cloud.announcing import EVENTS
from domain.kernel import errors
from domain.kernel.errors import BadRequest, ClusterError, NotFound, TemporaryError
from domain.spec.alarms import BUILT_IN as ALARMS
from domain.spec.cluster import ClusterSpec
from domain.spec.metrics import BUILT_IN as METRICS
from domain.spec.presets import PRESETS
from tasks.events import PREFIX

Schema = Mapping[str, Any]


def pages() -> dict[str, str]:
    """The pages by their file below docs/, each also in Chinese."""
    found: dict[str, str] = {}
    for name, (write, printed) in _PAGES.items():
        page = write()
        found[f"reference/{name}.md"] = page
        found[f"reference/{name}.zh.md"] = in_chinese(page, printed=printed)
    return found


def file_page() -> str:
    """Every key of a cluster's file, from the models that check it."""
    schema = ClusterSpec.model_json_schema()
    parts = [
        "# Keys of a cluster's file\n\nEverything has a default; an unknown key is refused by "
        "name. `qingcloud-k8s schema` prints the same as a JSON Schema for editors.\n"
    ]
    rows = list(_keys(schema, schema, "", ()))
    sections: dict[str, list[tuple[str, str, str, str]]] = {}
    for key, *others in rows:
        top = key.partition(".")[0].partition("[")[0]
        sections.setdefault(top, []).append((code(key), *others))  # type: ignore[arg-type]
    for top, found in sections.items():
        parts.append(f"## {top}\n\n" + table(("key", "value", "default", "meaning"), found))
    return "\n".join(parts)


def _keys(
    root: Schema, part: Schema, path: str, above: tuple[str, ...]
) -> Iterator[tuple[str, str, str, str]]:
    """The keys below a part: path, kind of value, default, meaning."""
    for name, field in part.get("properties", {}).items():
        where = f"{path}.{name}" if path else name
        yield where, _kind(root, field), _shown(field), field.get("description", "")
        below, sign, model = _below(root, field)
        if below is not None and model not in above:
            yield from _keys(root, below, where + sign, (*above, model))


def _below(root: Schema, field: Schema) -> tuple[Schema | None, str, str]:
    """The model that a field holds, how its path continues, and the model's name."""
    for one in (field, *field.get("anyOf", ()), *field.get("allOf", ())):
        if "$ref" in one:
            name = one["$ref"].rpartition("/")[2]
            found = root["$defs"][name]
            if "properties" in found:
                return found, "", name
            inner, sign, model = _below(root, found)
            if inner is not None:
                return inner, sign, model
        for key, sign in (("items", "[]"), ("additionalProperties", ".<name>")):
            if isinstance(one.get(key), dict):
                found, more, name = _below(root, one[key])
                if found is not None:
                    return found, sign + more, name
    return None, "", ""


def _kind(root: Schema, field: Schema) -> str:
    """What may stand behind a key, in words."""
    if "enum" in field:
        return ", ".join(code(str(value)) for value in field["enum"])
    if "const" in field:
        return code(str(field["const"]))
    if "$ref" in field:
        found = root["$defs"][field["$ref"].rpartition("/")[2]]
        return "keys below" if "properties" in found else _kind(root, found)
    if several := field.get("anyOf") or field.get("oneOf") or field.get("allOf"):
        kinds = dict.fromkeys(_kind(root, one) for one in several)
        kinds.pop("nothing", None)
        return " or ".join(kinds)
    kind = str(field.get("type", ""))
    return _KINDS.get(kind, kind) + _bounds(field)


_KINDS = {
    "integer": "whole number",
    "boolean": "`true` or `false`",
    "string": "text",
    "array": "list",
    "object": "keys below",
    "null": "nothing",
}


def _bounds(field: Schema) -> str:
    low = field.get("minimum", field.get("exclusiveMinimum"))
    high = field.get("maximum", field.get("exclusiveMaximum"))
    if low is None and high is None:
        return ""
    return f", {'' if low is None else low}–{'' if high is None else high}"


def _shown(field: Schema) -> str:
    default = field.get("default")
    return (
        "" if default in (None, "", [], {}) or isinstance(default, dict) else code(written(default))
    )


def policies_page() -> str:
    """The ready policies with their rules."""
    parts = [
        "# Ready scaling policies\n\n`scaling: {preset: <name>}` begins with one; keys beside it "
        "change it. `qingcloud-k8s autoscale --replay <name>` simulates it.\n"
    ]
    for name, policy in PRESETS.items():
        rules = [f"- {rule.title}" for rule in policy.rules] or ["- no metric rules"]
        values = policy.model_dump(mode="json", exclude={"rules", "schedule"})
        given = {key: value for key, value in values.items() if value not in (None, [], {})}
        rows = [(code(key), code(written(value))) for key, value in given.items()]
        parts.append(f"## {name}\n\n" + "\n".join(rules) + "\n\n" + table(("key", "value"), rows))
    return "\n".join(parts)


def metrics_page() -> str:
    """The built-in metrics, and the alarms that every cluster has."""
    metrics = [
        (code(one.name), one.unit, str(one.per), str(one.source), one.title)
        for one in METRICS.values()
    ]
    alarms = [
        (
            code(rule.name),
            code(f"{rule.statistic} {rule.metric} {rule.comparator}"),
            f"{rule.window_seconds} s",
            f"{rule.hold_seconds} s",
            _limit(rule.warning),
            _limit(rule.error),
            rule.title,
        )
        for rule in ALARMS
    ]
    return (
        "# Metrics and alarms\n\nyes/no is 1 or 0. What could not be measured has no value; "
        "[custom metrics](../operations.md#custom-metrics) add to these.\n\n## Metrics\n\n"
        + table(("metric", "unit", "per", "source", "meaning"), metrics)
        + "\n## Built-in alarms\n\nA rule of the same name under `alarms` replaces one; "
        "`enabled: false` switches it off.\n\n" + table(_ALARM_COLUMNS, alarms)
    )


_ALARM_COLUMNS = ("rule", "compares", "over", "holds for", "warning", "error", "what is wrong")


def _limit(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def events_page() -> str:
    """What the Prefect server is told about changes of the cloud."""
    verbs: dict[str, list[str]] = {}
    for kind, verb in EVENTS.values():
        if verb not in verbs.setdefault(kind, []):
            verbs[kind].append(verb)
    rows = [
        (kind, ", ".join(code(f"{PREFIX}.{kind}.{verb}") for verb in of_kind))
        for kind, of_kind in verbs.items()
    ]
    return (
        "# Events\n\nEach change that the cloud has accepted is an event on the Prefect server, "
        "with the cluster as its resource and `ids`, `name` and `count` as payload. Those of "
        "alarms and of the autoscaler are in [In the Prefect UI](../prefect.md#events).\n\n"
        + table(("what changes", "events"), rows)
    )


def errors_page() -> str:
    """Every error, what it means, and the exit code of a command that ends with it."""
    found = [
        one
        for _, one in inspect.getmembers(errors, inspect.isclass)
        if issubclass(one, ClusterError) and one.__module__ == errors.__name__
    ]
    rows = [
        (code(one.__name__), _first(one), _exit(one), _remedy(one))
        for one in sorted(found, key=lambda one: one.__name__)
    ]
    return (
        "# Errors\n\nA message names the fact, the resource and what to do next; this is what the "
        "kinds have in common. A run in the Prefect UI shows the kind.\n\n"
        + table(("error", "meaning", "exit code", "what to do"), rows)
    )


def _first(kind: type[ClusterError]) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def _exit(kind: type[ClusterError]) -> str:
    return "2" if issubclass(kind, BadRequest | NotFound) else "1"


def _remedy(kind: type[ClusterError]) -> str:
    if issubclass(kind, TemporaryError):
        return "It is tried again by itself; then run the same command again."
    if issubclass(kind, BadRequest | NotFound):
        return "Correct what the message names; nothing was created."
    return "Mend the cause that the message names, then run the same command again: it continues."


_PAGES: Mapping[str, tuple[Callable[[], str], bool]] = {
    "commands": (commands_page, True),
    "file": (file_page, False),
    "policies": (policies_page, False),
    "metrics": (metrics_page, True),
    "events": (events_page, False),
    "errors": (errors_page, False),
}
"""The pages, and whether commands print their texts."""
