"""What makes selectors of labels, nodes and other pods invalid, in the real server's words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from localcloud.kubernetes.objects.failures import Cause, quoted
from localcloud.kubernetes.objects.metadata_validation import check_labels, faults
from localcloud.kubernetes.objects.names import label_key

Body = Mapping[str, Any]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def check_selector(selector: Body | None, path: str) -> Iterator[Cause]:
    """List what is wrong with a LabelSelector."""
    yield from check_labels((selector or {}).get("matchLabels"), f"{path}.matchLabels")
    expressions = (selector or {}).get("matchExpressions") or ()
    yield from _expressions(expressions, f"{path}.matchExpressions")


def check_affinity(affinity: Body | None, path: str) -> Iterator[Cause]:
    """List what is wrong with where a pod must run; what it merely prefers, nobody here reads."""
    affinity = affinity or {}
    required = (affinity.get("nodeAffinity") or {}).get(_REQUIRED)
    if required is not None:
        place = f"{path}.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"
        yield from _node_terms(required.get("nodeSelectorTerms") or (), place)
    for kind in ("podAffinity", "podAntiAffinity"):
        for index, term in enumerate((affinity.get(kind) or {}).get(_REQUIRED) or ()):
            yield from _pod_term(term, f"{path}.{kind}.{_REQUIRED}[{index}]")


def _node_terms(terms: Sequence[Body], path: str) -> Iterator[Cause]:
    if not terms:
        yield Cause.required(path, "must have at least one node selector term")
    for index, term in enumerate(terms):
        for part in ("matchExpressions", "matchFields"):
            place = f"{path}[{index}].{part}"
            yield from _expressions(term.get(part) or (), place, of_nodes=True)


def _pod_term(term: Body, path: str) -> Iterator[Cause]:
    for field in ("labelSelector", "namespaceSelector"):
        yield from check_selector(term.get(field), f"{path}.{field}")
    key = term.get("topologyKey", "")
    if not key:
        yield Cause.required(f"{path}.topologyKey", "can not be empty")
    yield from faults(f"{path}.topologyKey", key, label_key(key))


def _expressions(
    expressions: Sequence[Body], path: str, *, of_nodes: bool = False
) -> Iterator[Cause]:
    for index, expression in enumerate(expressions):
        place, key, values = f"{path}[{index}]", expression["key"], expression.get("values")
        match expression.get("operator"):
            case "In" | "NotIn":
                if not values:
                    text = "must be specified when `operator` is 'In' or 'NotIn'"
                    yield Cause.required(f"{place}.values", text)
            case "Exists" | "DoesNotExist":
                if values:
                    text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                    yield Cause.forbidden(f"{place}.values", text)
            case "Gt" | "Lt" if of_nodes:
                if len(values or ()) != 1:
                    text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
                    yield Cause.required(f"{place}.values", text)
            case other:
                text = "not a valid selector operator"
                yield Cause.invalid(f"{place}.operator", quoted(other), text)
        yield from faults(f"{place}.key", key, label_key(key))
