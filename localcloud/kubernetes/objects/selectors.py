"""Label and field selectors: from their text, or from a LabelSelector, to a predicate."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from localcloud.kubernetes.objects.label_parser import (
    BadSelector,
    Requirement,
    parse_requirements,
)

Labels = Mapping[str, str]
LabelTest = Callable[[Labels], bool]
ObjectTest = Callable[[Mapping[str, Any]], bool]


def _everything(labels: Labels) -> bool:
    return True


@lru_cache(maxsize=512)
def parse_label_selector(text: str) -> LabelTest:
    """Read `a=b,c!=d,e in (f,g),h,!i,j>5`; empty text selects everything.

    Raises:
        BadSelector: a term that is none of these.
    """
    tests = [_requirement_test(one) for one in parse_requirements(text)]
    if not tests:
        return _everything
    return lambda labels: all(test(labels) for test in tests)


def _requirement_test(term: Requirement) -> LabelTest:
    match term.operator:
        case "in" | "notin":
            return _member_test(term.key, set(term.values), wanted=term.operator == "in")
        case "exists" | "!":
            return _presence_test(term.key, wanted=term.operator == "exists")
    (limit,) = map(int, term.values)
    return lambda labels: _is_beyond(labels.get(term.key, ""), limit, above=term.operator == ">")


def _is_beyond(value: str, limit: int, *, above: bool) -> bool:
    if not value.lstrip("-").isdigit():
        return False
    return int(value) > limit if above else int(value) < limit


def _member_test(key: str, values: set[str], *, wanted: bool) -> LabelTest:
    # As upstream: `!=` and `notin` also select what has no such label at all.
    return lambda labels: (labels.get(key) in values) is wanted


def _presence_test(key: str, *, wanted: bool) -> LabelTest:
    return lambda labels: (key in labels) is wanted


def label_selector_test(selector: Mapping[str, Any] | None) -> LabelTest:
    """Turn a LabelSelector into a predicate; None selects nothing, an empty one everything."""
    if selector is None:
        return lambda labels: False
    tests = [
        _member_test(key, {value}, wanted=True)
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    for expression in selector.get("matchExpressions") or ():
        key, values = expression["key"], set(expression.get("values") or ())
        match expression["operator"]:
            case "In":
                tests.append(_member_test(key, values, wanted=True))
            case "NotIn":
                tests.append(_member_test(key, values, wanted=False))
            case "Exists":
                tests.append(_presence_test(key, wanted=True))
            case "DoesNotExist":
                tests.append(_presence_test(key, wanted=False))
            case other:
                raise BadSelector(f"{other!r} is not a valid label selector operator")
    return lambda labels: all(test(labels) for test in tests)


def format_label_selector(selector: Mapping[str, Any] | None) -> str:
    """Write a LabelSelector as the text that the query parameter takes; `<none>` if empty."""
    selector = selector or {}
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    words = {"In": "in", "NotIn": "notin"}
    for expression in selector.get("matchExpressions") or ():
        match expression["operator"]:
            case "Exists":
                terms.append(expression["key"])
            case "DoesNotExist":
                terms.append(f"!{expression['key']}")
            case operator:
                values = ",".join(expression.get("values") or ())
                terms.append(f"{expression['key']} {words.get(operator, operator)} ({values})")
    return ",".join(terms) or "<none>"


@lru_cache(maxsize=512)
def parse_field_selector(text: str) -> tuple[tuple[str, str, bool], ...]:
    """Read `spec.nodeName=a,status.phase!=Failed` as (field, value, wanted equal).

    Raises:
        BadSelector: a term without `=` or `!=`.
    """
    terms = []
    for term in filter(None, text.split(",")):
        match = re.match(r"^([^=!]+)(==|!=|=)(.*)$", term)
        if not match:
            raise BadSelector(f"invalid selector: {term!r}; can't understand {term!r}")
        if "=" in match[3]:
            raise BadSelector("invalid field selector: unescaped character in value: 61")
        terms.append((match[1], match[3], match[2] != "!="))
    return tuple(terms)


def read_field(body: Mapping[str, Any], field: str) -> str:
    """Read one selectable field as text; what is absent reads as its zero value."""
    value: Any = body
    for part in field.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "false" if field in ("spec.unschedulable", "spec.hostNetwork") else ""
    return str(value)


def field_test(terms: tuple[tuple[str, str, bool], ...]) -> ObjectTest:
    """Turn the terms of a field selector into a predicate on whole objects."""
    return lambda body: all(
        (read_field(body, field) == value) is wanted for field, value, wanted in terms
    )
