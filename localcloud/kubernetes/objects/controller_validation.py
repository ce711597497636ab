"""Validation of pod controllers and disruption budgets, with the real server's messages."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from localcloud.kubernetes.objects.failures import Cause, quoted
from localcloud.kubernetes.objects.label_parser import BadSelector
from localcloud.kubernetes.objects.metadata_validation import check_labels, one_of
from localcloud.kubernetes.objects.pod_validation import check_pod_spec
from localcloud.kubernetes.objects.selector_validation import check_selector
from localcloud.kubernetes.objects.selectors import label_selector_test

Body = Mapping[str, Any]

_PERCENT_TEXT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
    "'93%', regex used for validation is '[0-9]+%')"
)


def _counts(spec: Body, *names: str) -> Iterator[Cause]:
    for name in names:
        if spec.get(name, 0) < 0:
            text = "must be greater than or equal to 0"
            yield Cause.invalid(f"spec.{name}", str(spec[name]), text)


def _template(spec: Body) -> Iterator[Cause]:
    template = spec.get("template")
    if not isinstance(template, dict):
        yield Cause.required("spec.template")
        return
    labels = (template.get("metadata") or {}).get("labels")
    wishes = template.get("spec") or {}
    yield from check_labels(labels, "spec.template.labels")
    yield from check_pod_spec(wishes, "spec.template.spec")
    if wishes.get("restartPolicy") in ("OnFailure", "Never"):
        field = "spec.template.spec.restartPolicy"
        yield Cause.unsupported(field, wishes["restartPolicy"], ("Always",))


def check_replication_controller(body: Body) -> Iterator[Cause]:
    """Yield the errors of a ReplicationController."""
    spec = body["spec"]
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if not spec.get("selector"):
        yield Cause.required("spec.selector")
    yield from _counts(spec, "replicas", "minReadySeconds")
    if any(labels.get(key) != value for key, value in (spec.get("selector") or {}).items()):
        text = "`selector` does not match template `labels`"
        yield Cause.invalid("spec.template.metadata.labels", quoted(labels), text)
    yield from _template(spec)


def check_selecting(body: Body) -> Iterator[Cause]:
    """Check Deployment, ReplicaSet and DaemonSet, which share selector and template."""
    spec = body["spec"]
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    selector = spec.get("selector")
    if selector is None:
        yield Cause.required("spec.selector")
    else:
        yield from check_selector(selector, "spec.selector")
    if selector == {}:
        text = f"empty selector is invalid for {body['kind'].lower()}"
        yield Cause.invalid("spec.selector", "{}", text)
    yield from _counts(spec, "replicas", "minReadySeconds", "revisionHistoryLimit")
    if not _selects(selector, labels):
        text = "`selector` does not match template `labels`"
        yield Cause.invalid("spec.template.metadata.labels", quoted(labels), text)
    yield from _strategy(spec)
    yield from _template(spec)


def _strategy(spec: Body) -> Iterator[Cause]:
    for place, words in (
        ("strategy", ("Recreate", "RollingUpdate")),
        ("updateStrategy", ("OnDelete", "RollingUpdate")),
    ):
        strategy = spec.get(place) or {}
        rolling = strategy.get("rollingUpdate") or {}
        yield from one_of(strategy, "type", words, f"spec.{place}")
        if rolling and strategy.get("type") == "Recreate":
            text = "may not be specified when strategy `type` is 'Recreate'"
            yield Cause.forbidden(f"spec.{place}.rollingUpdate", text)
        yield from _shares(rolling, f"spec.{place}.rollingUpdate", "maxSurge", "maxUnavailable")
        if all(rolling.get(name) in (0, "0%") for name in ("maxSurge", "maxUnavailable")):
            text = "may not be 0 when `maxSurge` is 0"
            field = f"spec.{place}.rollingUpdate.maxUnavailable"
            yield Cause.invalid(field, quoted(rolling["maxUnavailable"]), text)


def _shares(values: Body, path: str, *names: str) -> Iterator[Cause]:
    """Check fields that are a number or a percentage."""
    for name in names:
        value, text = values.get(name, 0), ""
        if isinstance(value, str):
            if not re.fullmatch("[0-9]+%", value):
                text = _PERCENT_TEXT
            elif name != "maxSurge" and int(value[:-1]) > 100:
                text = "must not be greater than 100%"
        elif value < 0:
            text = "must be greater than or equal to 0"
        if text:
            yield Cause.invalid(f"{path}.{name}", quoted(value), text)


def _selects(selector: Body | None, labels: Mapping[str, str]) -> bool:
    try:
        return label_selector_test(selector)(labels)
    except (BadSelector, KeyError):
        return False


def check_disruption_budget(body: Body) -> Iterator[Cause]:
    """Yield the errors of a PodDisruptionBudget."""
    spec = body["spec"]
    if "minAvailable" in spec and "maxUnavailable" in spec:
        shown = {
            "MinAvailable": spec["minAvailable"],
            "Selector": spec.get("selector"),
            "MaxUnavailable": spec["maxUnavailable"],
            "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy"),
        }
        text = "minAvailable and maxUnavailable cannot be both set"
        yield Cause.invalid("spec", quoted(shown), text)
    yield from _shares(spec, "spec", "minAvailable", "maxUnavailable")
    yield from check_selector(spec.get("selector"), "spec.selector")
