"""Validation of label and node selectors, with the real server's messages."""

from collections.abc import Iterator, Mapping
from typing import Any

from localcloud.kubernetes.objects.failures import Cause, quoted
from localcloud.kubernetes.objects.metadata_validation import check_labels, faults
from localcloud.kubernetes.objects.names import label_key, label_value, subdomain_name

Body = Mapping[str, Any]

_NODE_NAME = "metadata.name"


def check_selector(selector: Body | None, path: str) -> Iterator[Cause]:
    """Yield the errors of a LabelSelector."""
    selector = selector or {}
    yield from check_labels(selector.get("matchLabels"), f"{path}.matchLabels")
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        yield from _expression(expression, f"{path}.matchExpressions[{index}]")


def check_node_term(term: Body, path: str) -> Iterator[Cause]:
    """Yield the errors of one term of a NodeSelector."""
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        yield from _expression(expression, f"{path}.matchExpressions[{index}]", of_nodes=True)
    for index, expression in enumerate(term.get("matchFields") or ()):
        yield from _field(expression, f"{path}.matchFields[{index}]")


def _expression(expression: Body, path: str, *, of_nodes: bool = False) -> Iterator[Cause]:
    key, values = expression["key"], expression.get("values") or ()
    match expression.get("operator"):
        case "In" | "NotIn":
            if not values:
                text = "must be specified when `operator` is 'In' or 'NotIn'"
                yield Cause.required(f"{path}.values", text)
        case "Exists" | "DoesNotExist":
            if values:
                text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                yield Cause.forbidden(f"{path}.values", text)
        case "Gt" | "Lt" if of_nodes:
            if len(values) != 1:
                text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
                yield Cause.required(f"{path}.values", text)
        case other:
            yield _bad_operator(other, path)
    yield from faults(f"{path}.key", key, label_key(key))
    for index, value in enumerate(values):
        yield from faults(f"{path}.values[{index}]", value, label_value(value))


def _field(expression: Body, path: str) -> Iterator[Cause]:
    key, values, operator = (expression.get(name) for name in ("key", "values", "operator"))
    if operator not in ("In", "NotIn"):
        yield _bad_operator(operator, path)
    elif len(values or ()) != 1:
        text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield Cause.required(f"{path}.values", text)
    if key != _NODE_NAME:
        yield Cause.invalid(f"{path}.key", quoted(key), "not a valid field selector key")
        return
    for index, value in enumerate(values or ()):
        yield from faults(f"{path}.values[{index}]", value, subdomain_name(value))


def _bad_operator(operator: Any, path: str) -> Cause:
    return Cause.invalid(f"{path}.operator", quoted(operator), "not a valid selector operator")
