"""Validation of a pod's placement fields, with the real server's messages."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from localcloud.kubernetes.objects.failures import Cause, quoted
from localcloud.kubernetes.objects.metadata_validation import check_labels, faults, one_of
from localcloud.kubernetes.objects.names import label_key, label_name, label_value
from localcloud.kubernetes.objects.pods import PREFERRED, REQUIRED
from localcloud.kubernetes.objects.selector_validation import check_node_term, check_selector

Body = Mapping[str, Any]

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_OPERATORS = ("Equal", "Exists")
_UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")
_POLICIES = ("Honor", "Ignore")
_POSITIVE = "must be greater than zero"


def check_placement(spec: Body, path: str) -> Iterator[Cause]:
    """Yield the errors of the fields that decide where a pod runs, except its resources."""
    yield from check_labels(spec.get("nodeSelector"), f"{path}.nodeSelector")
    affinity = spec.get("affinity") or {}
    yield from _node_affinity(affinity.get("nodeAffinity") or {}, f"{path}.affinity.nodeAffinity")
    for kind in ("podAffinity", "podAntiAffinity"):
        yield from _pod_affinity(affinity.get(kind) or {}, f"{path}.affinity.{kind}")
    constraints = spec.get("topologySpreadConstraints") or ()
    for index, constraint in enumerate(constraints):
        place = f"{path}.topologySpreadConstraints[{index}]"
        yield from _constraint(constraint, constraints[index + 1 :], place)
    for index, toleration in enumerate(spec.get("tolerations") or ()):
        yield from _toleration(toleration, f"{path}.tolerations[{index}]")


# Affinity


def _node_affinity(affinity: Body, path: str) -> Iterator[Cause]:
    if REQUIRED in affinity:
        place = f"{path}.{REQUIRED}.nodeSelectorTerms"
        terms = affinity[REQUIRED].get("nodeSelectorTerms") or ()
        if not terms:
            yield Cause.required(place, "must have at least one node selector term")
        for index, term in enumerate(terms):
            yield from check_node_term(term, f"{place}[{index}]")
    for index, choice in enumerate(affinity.get(PREFERRED) or ()):
        place = f"{path}.{PREFERRED}[{index}]"
        yield from _weight(choice, place)
        yield from check_node_term(choice.get("preference") or {}, f"{place}.preference")


def _pod_affinity(affinity: Body, path: str) -> Iterator[Cause]:
    for index, term in enumerate(affinity.get(REQUIRED) or ()):
        yield from _pod_term(term, f"{path}.{REQUIRED}[{index}]")
    for index, choice in enumerate(affinity.get(PREFERRED) or ()):
        place = f"{path}.{PREFERRED}[{index}]"
        yield from _weight(choice, place)
        yield from _pod_term(choice.get("podAffinityTerm") or {}, f"{place}.podAffinityTerm")


def _weight(choice: Body, path: str) -> Iterator[Cause]:
    weight = choice.get("weight", 0)
    if not 1 <= weight <= 100:
        yield Cause.invalid(f"{path}.weight", quoted(weight), "must be in the range 1-100")


def _pod_term(term: Body, path: str) -> Iterator[Cause]:
    yield from check_selector(term.get("labelSelector"), f"{path}.labelSelector")
    yield from check_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for name in term.get("namespaces") or ():
        yield from faults(f"{path}.namespace", name, label_name(name))
    for field in ("matchLabelKeys", "mismatchLabelKeys"):
        yield from _label_keys(term, field, path)
    others = term.get("mismatchLabelKeys") or ()
    for index, key in enumerate(term.get("matchLabelKeys") or ()):
        if key in others:
            text = "exists in both matchLabelKeys and mismatchLabelKeys"
            yield Cause.invalid(f"{path}.matchLabelKeys[{index}]", quoted(key), text)
    topology = term.get("topologyKey", "")
    if not topology:
        yield Cause.required(f"{path}.topologyKey", "can not be empty")
    yield from faults(f"{path}.topologyKey", topology, label_key(topology))


def _label_keys(record: Body, field: str, path: str) -> Iterator[Cause]:
    """Check matchLabelKeys, which have been merged into the selector."""
    keys, selector = record.get(field) or (), record.get("labelSelector")
    if keys and selector is None:
        yield Cause.forbidden(
            f"{path}.{field}", "must not be specified when labelSelector is not set"
        )
        return
    selector = selector or {}
    selected = Counter(list(selector.get("matchLabels") or ()))
    selected.update(one.get("key") for one in selector.get("matchExpressions") or ())
    for index, key in enumerate(keys):
        yield from faults(f"{path}.{field}[{index}]", key, label_key(key))
        if selected[key] > 1:
            text = f"exists in both {field} and labelSelector"
            yield Cause.invalid(f"{path}[{index}]", quoted(key), text)


# Topology spread


def _constraint(constraint: Body, later: Sequence[Body], path: str) -> Iterator[Cause]:
    skew, fewest = constraint.get("maxSkew", 0), constraint.get("minDomains")
    topology, otherwise = (
        constraint.get(name, "") for name in ("topologyKey", "whenUnsatisfiable")
    )
    if skew <= 0:
        yield Cause.invalid(f"{path}.maxSkew", quoted(skew), _POSITIVE)
    if not topology:
        yield Cause.required(f"{path}.topologyKey", "can not be empty")
    if otherwise not in _UNSATISFIABLE:
        yield Cause.unsupported(f"{path}.whenUnsatisfiable", otherwise, _UNSATISFIABLE)
    for other in later:
        if (other.get("topologyKey"), other.get("whenUnsatisfiable")) == (topology, otherwise):
            field = f"{path}.{{topologyKey, whenUnsatisfiable}}"
            yield Cause.duplicate(field, f"{{{topology}, {otherwise}}}")
    if fewest is not None and fewest <= 0:
        yield Cause.invalid(f"{path}.minDomains", quoted(fewest), _POSITIVE)
    if fewest is not None and otherwise != "DoNotSchedule":
        text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {otherwise}"
        yield Cause.invalid(f"{path}.minDomains", quoted(fewest), text)
    for policy in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        yield from one_of(constraint, policy, _POLICIES, path)
    yield from _label_keys(constraint, "matchLabelKeys", path)
    yield from check_selector(constraint.get("labelSelector"), f"{path}.labelSelector")


# Tolerations


def _toleration(toleration: Body, path: str) -> Iterator[Cause]:
    operator, key = toleration.get("operator") or "Equal", toleration.get("key")
    if key:
        yield from faults(f"{path}.key", key, label_key(key))
    if operator not in _OPERATORS:
        yield Cause.unsupported(f"{path}.operator", operator, _OPERATORS)
    elif operator == "Exists" and toleration.get("value"):
        text = "value must be empty when `operator` is 'Exists'"
        yield Cause.invalid(f"{path}.operator", quoted(toleration["value"]), text)
    elif operator == "Equal":
        if not key:
            text = (
                "operator must be Exists when `key` is empty, which means "
                '"match all values and all keys"'
            )
            yield Cause.invalid(f"{path}.operator", quoted(operator), text)
        value = toleration.get("value", "")
        yield from faults(f"{path}.operator", value, label_value(value))
    yield from one_of(toleration, "effect", EFFECTS, path)
    if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
        text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        yield Cause.invalid(f"{path}.effect", quoted(toleration.get("effect", "")), text)
