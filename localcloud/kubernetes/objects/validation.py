"""What makes an object invalid: the common mistakes, in the real server's words."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.failures import Cause, quoted
from localcloud.kubernetes.objects.immutability import forbidden_changes
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.selectors import BadSelector, label_selector_test

Body = Mapping[str, Any]

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_SERVICE_NAME = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    f"for validation is '{_SUBDOMAIN}')"
)
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
    f"used for validation is '{_LABEL}')"
)
_SERVICE_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    f"regex used for validation is '{_SERVICE_NAME}')"
)
_QUALIFIED_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    f"validation is '{_QUALIFIED}')"
)
_LABEL_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_PERCENT_TEXT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
    "'93%', regex used for validation is '[0-9]+%')"
)
_PATH_NAMED = (
    kinds.ROLE, kinds.ROLE_BINDING, kinds.CLUSTER_ROLE, kinds.CLUSTER_ROLE_BINDING,
)  # fmt: skip


def check(kind: Kind, body: Body, before: Body | None = None) -> list[Cause]:
    """List what is wrong with a body, after its defaults were filled in.

    Args:
        before: the stored body on an update.
    """
    causes = [*_names(kind, body), *_labels(body["metadata"], "metadata.labels")]
    checker = _CHECKERS.get(kind)
    if checker:
        causes += checker(body)
    if before is not None:
        causes += forbidden_changes(kind, body, before)
    return causes


def _names(kind: Kind, body: Body) -> Iterator[Cause]:
    name = body["metadata"].get("name", "")
    pattern, text, longest = _SUBDOMAIN, _SUBDOMAIN_TEXT, 253
    if kind in _PATH_NAMED:
        if name in (".", "..") or "/" in name or "%" in name:
            yield Cause.invalid("metadata.name", quoted(name), "may not contain '/' or '%'")
        return
    if kind is kinds.NAMESPACE:
        pattern, text, longest = _LABEL, _LABEL_TEXT, 63
    elif kind is kinds.SERVICE:
        pattern, text, longest = _SERVICE_NAME, _SERVICE_TEXT, 63
    if not re.fullmatch(pattern, name):
        yield Cause.invalid("metadata.name", quoted(name), text)
    if len(name) > longest:
        text = f"must be no more than {longest} bytes"
        yield Cause.invalid("metadata.name", quoted(name), text)


def _labels(metadata: Body, field: str) -> Iterator[Cause]:
    for key, value in (metadata.get("labels") or {}).items():
        prefix, _, name = key.rpartition("/")
        if not re.fullmatch(_QUALIFIED, name) or (prefix and not re.fullmatch(_SUBDOMAIN, prefix)):
            yield Cause.invalid(field, quoted(key), _QUALIFIED_TEXT)
        if not isinstance(value, str) or (value and not re.fullmatch(_QUALIFIED, value)):
            yield Cause.invalid(field, quoted(value), _LABEL_VALUE_TEXT)
        elif len(value) > 63:
            yield Cause.invalid(field, quoted(value), "must be no more than 63 characters")


def _pod(body: Body) -> Iterator[Cause]:
    yield from _pod_spec(body.get("spec") or {}, "spec")


def _pod_spec(spec: Body, path: str) -> Iterator[Cause]:
    if not spec.get("containers"):
        yield Cause.required(f"{path}.containers")
    names: set[str] = set()
    for index, container in enumerate(spec.get("containers") or ()):
        place = f"{path}.containers[{index}]"
        name = container.get("name", "")
        if not name:
            yield Cause.required(f"{place}.name")
        elif name in names:
            message = f"Duplicate value: {quoted(name)}"
            yield Cause(f"{place}.name", message, "FieldValueDuplicate")
        elif not re.fullmatch(_LABEL, name) or len(name) > 63:
            yield Cause.invalid(f"{place}.name", quoted(name), _LABEL_TEXT)
        names.add(name)
        if not container.get("image"):
            yield Cause.required(f"{place}.image")


def _replicas(spec: Body) -> Iterator[Cause]:
    replicas = spec.get("replicas", 0)
    if replicas < 0:
        text = "must be greater than or equal to 0"
        yield Cause.invalid("spec.replicas", str(replicas), text)


def _template(spec: Body) -> Iterator[Cause]:
    template = spec.get("template")
    if not isinstance(template, dict):
        yield Cause.required("spec.template")
        return
    yield from _labels(template.get("metadata") or {}, "spec.template.labels")
    yield from _pod_spec(template.get("spec") or {}, "spec.template.spec")


def _replication_controller(body: Body) -> Iterator[Cause]:
    spec = body["spec"]
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if not spec.get("selector"):
        yield Cause.required("spec.selector")
    yield from _replicas(spec)
    if any(labels.get(key) != value for key, value in (spec.get("selector") or {}).items()):
        text = "`selector` does not match template `labels`"
        yield Cause.invalid("spec.template.metadata.labels", quoted(labels), text)
    yield from _template(spec)


def _selecting(body: Body) -> Iterator[Cause]:
    """Check Deployment, ReplicaSet and DaemonSet, which share selector and template."""
    spec = body["spec"]
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    selector = spec.get("selector")
    if not selector:
        yield Cause.required("spec.selector")
    yield from _replicas(spec)
    if selector and not _selects(selector, labels):
        text = "`selector` does not match template `labels`"
        yield Cause.invalid("spec.template.metadata.labels", quoted(labels), text)
    for place in ("strategy", "updateStrategy"):
        rolling = (spec.get(place) or {}).get("rollingUpdate") or {}
        yield from _shares(rolling, f"spec.{place}.rollingUpdate", "maxSurge", "maxUnavailable")
    yield from _template(spec)


def _shares(values: Body, path: str, *names: str) -> Iterator[Cause]:
    """Check fields that are a number or a percentage."""
    for name in names:
        value = values.get(name, 0)
        if isinstance(value, str) and not re.fullmatch("[0-9]+%", value):
            yield Cause.invalid(f"{path}.{name}", quoted(value), _PERCENT_TEXT)


def _selects(selector: Body, labels: Mapping[str, str]) -> bool:
    try:
        return label_selector_test(selector)(labels)
    except (BadSelector, KeyError):
        return False


def _service(body: Body) -> Iterator[Cause]:
    spec = body["spec"]
    ports = spec.get("ports") or []
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield Cause.required("spec.ports")
    for index, port in enumerate(ports):
        number = port.get("port")
        if not isinstance(number, int) or not 0 < number < 65536:
            text = "must be between 1 and 65535, inclusive"
            yield Cause.invalid(f"spec.ports[{index}].port", quoted(number), text)
        if len(ports) > 1 and not port.get("name"):
            yield Cause.required(f"spec.ports[{index}].name")


def _disruption_budget(body: Body) -> Iterator[Cause]:
    yield from _shares(body["spec"], "spec", "minAvailable", "maxUnavailable")
    selector = body["spec"].get("selector")
    try:
        label_selector_test(selector)
    except (BadSelector, KeyError) as error:
        yield Cause.invalid("spec.selector", quoted(selector), str(error))


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
    kinds.ROLE_BINDING: _binding,
    kinds.CLUSTER_ROLE_BINDING: _binding,
}
