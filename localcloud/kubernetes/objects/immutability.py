"""Fields that updates must not change."""

from collections.abc import Iterator, Mapping
from typing import Any

from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.failures import Cause, quoted
from localcloud.kubernetes.objects.kinds import Kind

Body = Mapping[str, Any]

_FIXED_SELECTORS = (kinds.DEPLOYMENT, kinds.REPLICA_SET, kinds.DAEMON_SET)
_IMMUTABLE = "field is immutable"
_POD_TEXT = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously "
    "negative),`spec.tolerations` (only additions to existing tolerations)"
)


def forbidden_changes(kind: Kind, body: Body, before: Body) -> Iterator[Cause]:
    """Yield the errors for changed immutable fields."""
    old, new = before.get("spec") or {}, body.get("spec") or {}
    if kind in _FIXED_SELECTORS and old.get("selector") != new.get("selector"):
        yield Cause.invalid("spec.selector", quoted(new.get("selector")), _IMMUTABLE)
    elif kind is kinds.POD:
        yield from _pod(new, old)
    elif kind in (kinds.ROLE_BINDING, kinds.CLUSTER_ROLE_BINDING):
        if before.get("roleRef") != body.get("roleRef"):
            yield Cause.invalid("roleRef", quoted(body.get("roleRef")), "cannot change roleRef")
    elif kind is kinds.SERVICE:
        yield from _service(new, old)
    elif kind is kinds.CLAIM:
        yield from _claim(new, old)
    elif kind is kinds.STORAGE_CLASS:
        for field in ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"):
            if before.get(field) != body.get(field):
                text = f"updates to {field} are forbidden."
                yield Cause.forbidden(field, text)
    elif kind in (kinds.SECRET, kinds.CONFIG_MAP):
        yield from _contents(body, before)


def _pod(new: Body, old: Body) -> Iterator[Cause]:
    gates = old.get("schedulingGates") or ()
    for gate in new.get("schedulingGates") or ():
        if gate not in gates:
            text = f"only deletion is allowed, but found new scheduling gate '{gate['name']}'"
            yield Cause.forbidden("spec.schedulingGates", text)
    if _fixed_part(old) != _fixed_part(new):
        yield Cause.forbidden("spec", _POD_TEXT)


def _service(new: Body, old: Body) -> Iterator[Cause]:
    address = new.get("clusterIP")
    if old.get("clusterIP") not in (None, "", address) and new.get("type") != "ExternalName":
        yield Cause.invalid("spec.clusterIPs[0]", quoted(address), "may not change once set")


def _claim(new: Body, old: Body) -> Iterator[Cause]:
    """A claim may be bound once, and its request may grow while it is bound."""

    def fixed(spec: Body) -> Body:
        kept = {key: value for key, value in spec.items() if key != "resources"}
        if not old.get("volumeName"):
            kept.pop("volumeName", None)
        return kept

    grows = new.get("resources") != old.get("resources")
    if fixed(new) != fixed(old) or (grows and not old.get("volumeName")):
        text = (
            "spec is immutable after creation except resources.requests and "
            "volumeAttributesClassName for bound claims"
        )
        yield Cause.forbidden("spec", text)


def _contents(body: Body, before: Body) -> Iterator[Cause]:
    if before.get("type") != body.get("type"):
        yield Cause.invalid("type", quoted(body.get("type")), _IMMUTABLE)
    changed = any(before.get(part) != body.get(part) for part in ("data", "binaryData"))
    if before.get("immutable") and (changed or not body.get("immutable")):
        yield Cause.forbidden("data", "field is immutable when `immutable` is set")


def _fixed_part(spec: Body) -> Body:
    """Return the immutable part of a pod's spec."""
    changeable = (
        "activeDeadlineSeconds", "schedulingGates", "terminationGracePeriodSeconds", "tolerations",
    )  # fmt: skip
    fixed = {key: value for key, value in spec.items() if key not in changeable}
    for field in ("containers", "initContainers"):
        if field in fixed:
            fixed[field] = [{**container, "image": ""} for container in fixed[field]]
    return fixed
