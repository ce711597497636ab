"""What makes an object invalid: the common mistakes, in the real server's words."""

import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.failures import Cause, quoted
from localcloud.kubernetes.objects.immutability import forbidden_changes
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.label_parser import BadSelector
from localcloud.kubernetes.objects.metadata_validation import (
    check_labels,
    check_metadata,
    faults,
    one_of,
)
from localcloud.kubernetes.objects.names import config_key
from localcloud.kubernetes.objects.placement_validation import EFFECTS
from localcloud.kubernetes.objects.pod_validation import (
    PROTOCOLS,
    check_pod_spec,
    port_number,
)
from localcloud.kubernetes.objects.selector_validation import check_selector
from localcloud.kubernetes.objects.selectors import label_selector_test

Body = Mapping[str, Any]

_PERCENT_TEXT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
    "'93%', regex used for validation is '[0-9]+%')"
)
_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_LARGEST_CONTENTS = 1024 * 1024  # bytes


def check(kind: Kind, body: Body, before: Body | None = None) -> list[Cause]:
    """List what is wrong with a body, after its defaults were filled in.

    Args:
        before: the stored body on an update.
    """
    causes = [*check_metadata(kind, body["metadata"], before["metadata"] if before else None)]
    checker = _CHECKERS.get(kind)
    # A write of the status alone keeps the very spec that was checked when it was stored.
    is_new = before is None or "spec" not in body or body["spec"] is not before.get("spec")
    if checker and is_new:
        causes += checker(body)
    if before is not None:
        causes += forbidden_changes(kind, body, before)
    return causes


def _pod(body: Body) -> Iterator[Cause]:
    yield from check_pod_spec(body.get("spec") or {}, "spec")


# Controllers of pods


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


def _replication_controller(body: Body) -> Iterator[Cause]:
    spec = body["spec"]
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if not spec.get("selector"):
        yield Cause.required("spec.selector")
    yield from _counts(spec, "replicas", "minReadySeconds")
    if any(labels.get(key) != value for key, value in (spec.get("selector") or {}).items()):
        text = "`selector` does not match template `labels`"
        yield Cause.invalid("spec.template.metadata.labels", quoted(labels), text)
    yield from _template(spec)


def _selecting(body: Body) -> Iterator[Cause]:
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


def _disruption_budget(body: Body) -> Iterator[Cause]:
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


# Everything else


def _service(body: Body) -> Iterator[Cause]:
    spec = body["spec"]
    ports = spec.get("ports") or []
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield Cause.required("spec.ports")
    if spec.get("type") == "ExternalName" and not spec.get("externalName"):
        yield Cause.required("spec.externalName")
    names: set[str] = set()
    for index, port in enumerate(ports):
        place, name = f"spec.ports[{index}]", port.get("name", "")
        if len(ports) > 1 and not name:
            yield Cause.required(f"{place}.name")
        elif name and name in names:
            yield Cause.duplicate(f"{place}.name", name)
        names.add(name)
        yield from port_number(port.get("port", 0), f"{place}.port")
        yield from one_of(port, "protocol", PROTOCOLS, place)
        yield from port_number(port.get("targetPort"), f"{place}.targetPort")
    yield from check_labels(spec.get("selector"), "spec.selector")
    yield from one_of(spec, "sessionAffinity", ("ClientIP", "None"), "spec")
    yield from one_of(spec, "type", _SERVICE_TYPES, "spec")


def _config_map(body: Body) -> Iterator[Cause]:
    data, binary = body.get("data") or {}, body.get("binaryData") or {}
    for key in data:
        yield from faults(f"data[{key}]", key, config_key(key))
        if key in binary:
            text = "duplicate of key present in binaryData"
            yield Cause.invalid(f"data[{key}]", quoted(key), text)
    for key in binary:
        yield from faults(f"binaryData[{key}]", key, config_key(key))
    texts = sum(len(value.encode()) for value in data.values())
    if texts + sum(len(b64decode(value)) for value in binary.values()) > _LARGEST_CONTENTS:
        yield Cause.too_long("[]", _LARGEST_CONTENTS)


def _secret(body: Body) -> Iterator[Cause]:
    data = body.get("data") or {}
    for key in data:
        yield from faults(f"data[{key}]", key, config_key(key))
    if sum(len(b64decode(value)) for value in data.values()) > _LARGEST_CONTENTS:
        yield Cause.too_long("data", _LARGEST_CONTENTS)
    if body.get("type") == "kubernetes.io/tls":
        for key in ("tls.crt", "tls.key"):
            if key not in data:
                yield Cause.required(f"data[{key}]")


def _node(body: Body) -> Iterator[Cause]:
    for index, taint in enumerate(body["spec"].get("taints") or ()):
        yield from one_of(taint, "effect", EFFECTS, f"metadata.taints[{index}]")


def _binding(body: Body) -> Iterator[Cause]:
    if not body["roleRef"].get("name"):
        yield Cause.required("roleRef.name")


_CHECKERS: dict[Kind, Callable[[Body], Iterator[Cause]]] = {
    kinds.POD: _pod,
    kinds.REPLICATION_CONTROLLER: _replication_controller,
    kinds.REPLICA_SET: _selecting,
    kinds.DEPLOYMENT: _selecting,
    kinds.DAEMON_SET: _selecting,
    kinds.SERVICE: _service,
    kinds.POD_DISRUPTION_BUDGET: _disruption_budget,
    kinds.CONFIG_MAP: _config_map,
    kinds.SECRET: _secret,
    kinds.NODE: _node,
    kinds.ROLE_BINDING: _binding,
    kinds.CLUSTER_ROLE_BINDING: _binding,
}
