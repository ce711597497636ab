"""Label and field selectors: from their text, or from a LabelSelector, to a predicate."""

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any

from localcloud.kubernetes.objects.label_parser import (
    BadSelector,
    parse_requirements,
)

Labels = Mapping[str, str]
LabelTest = Callable[[Labels], bool]
ObjectTest = Callable[[Mapping[str, Any]], bool]

_SELECTOR_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
"""The operators of label selectors; node selectors have `Gt` and `Lt`, too."""


def _everything(labels: Labels) -> bool:
    return True


@lru_cache(maxsize=512)
def parse_label_selector(text: str) -> LabelTest:
    """Read `a=b,c!=d,e in (f,g),h,!i,j>5`; empty text selects everything.

    Raises:
        BadSelector: a term that is none of these.
    """
    tests = [_test(one.key, one.operator, one.values) for one in parse_requirements(text)]
    if not tests:
        return _everything
    return lambda labels: all(test(labels) for test in tests)


def label_selector_test(selector: Mapping[str, Any] | None) -> LabelTest:
    """Turn a LabelSelector into a predicate; None selects nothing, an empty one everything.

    Raises:
        BadSelector: an operator that label selectors do not have.
    """
    if selector is None:
        return lambda labels: False
    tests = [
        _test(key, "In", (value,)) for key, value in (selector.get("matchLabels") or {}).items()
    ]
    for expression in selector.get("matchExpressions") or ():
        if expression["operator"] not in _SELECTOR_OPERATORS:
            text = f"{expression['operator']!r} is not a valid label selector operator"
            raise BadSelector(text)
        tests.append(expression_test(expression))
    return lambda labels: all(test(labels) for test in tests)


def expression_test(expression: Mapping[str, Any]) -> LabelTest:
    """Turn one entry of `matchExpressions`, of labels or of nodes, into a predicate.

    Raises:
        BadSelector: an unknown operator.
        ValueError: `Gt` or `Lt` without one whole number.
    """
    return _test(expression["key"], expression["operator"], expression.get("values") or ())


def _test(key: str, operator: str, values: Collection[str]) -> LabelTest:
    match operator:
        case "In":
            return lambda labels: labels.get(key) in values
        case "NotIn":  # as upstream, it also selects objects without the label
            return lambda labels: labels.get(key) not in values
        case "Exists":
            return lambda labels: key in labels
        case "DoesNotExist":
            return lambda labels: key not in labels
        case "Gt" | "Lt":
            (limit,) = map(int, values)
            sign = 1 if operator == "Gt" else -1
            return lambda labels: _is_beyond(labels.get(key, ""), limit, sign)
    raise BadSelector(f"{operator!r} is not a valid operator")


def _is_beyond(value: str, limit: int, sign: int) -> bool:
    # Other values than whole numbers do not match.
    return value.removeprefix("-").isdecimal() and (int(value) - limit) * sign > 0


def format_label_selector(selector: Mapping[str, Any] | None) -> str:
    """Return a LabelSelector as the text of the query parameter; `<none>` if empty."""
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
    """Return a selectable field as text; an absent one as its zero value."""
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
