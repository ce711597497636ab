"""Validation of metadata, with the real server's messages."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.failures import Cause, quoted
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.names import (
    label_key,
    label_name,
    label_value,
    path_name,
    subdomain_name,
)

Body = Mapping[str, Any]
Rule = Callable[[str], Iterable[str]]

_NAMES: Mapping[Kind, Rule] = {
    kinds.NAMESPACE: label_name,
    kinds.SERVICE: label_name,
    kinds.ROLE: path_name,
    kinds.ROLE_BINDING: path_name,
    kinds.CLUSTER_ROLE: path_name,
    kinds.CLUSTER_ROLE_BINDING: path_name,
}
_STANDARD_FINALIZERS = ("foregroundDeletion", "kubernetes", "orphan")
_LONGEST_ANNOTATIONS = 256 * 1024  # bytes


def check_metadata(kind: Kind, metadata: Body, before: Body | None) -> Iterator[Cause]:
    """Yield the errors of metadata.

    Args:
        before: the stored metadata on an update.
    """
    name, rule = metadata.get("name", ""), _NAMES.get(kind, subdomain_name)
    prefix = metadata.get("generateName", "") if before is None else ""
    if prefix:  # its last dash is valid: letters follow
        shown = prefix[:-1] + "a" if prefix.endswith("-") else prefix
        yield from faults("metadata.generateName", prefix, rule(shown))
    yield from faults("metadata.name", name, rule(name))
    yield from check_labels(metadata.get("labels"), "metadata.labels")
    yield from _annotations(metadata.get("annotations") or {})
    yield from _owners(metadata.get("ownerReferences") or ())
    yield from _finalizers(metadata.get("finalizers") or ())
    if before is not None:
        yield from _late_finalizers(metadata, before)


def faults(field: str, value: Any, texts: Iterable[str]) -> Iterator[Cause]:
    """Yield the errors of a name rule for a field."""
    return (Cause.invalid(field, quoted(value), text) for text in texts)


def one_of(record: Body, name: str, supported: Sequence[str], path: str) -> Iterator[Cause]:
    """Check a field with an enumeration of words, unless it is empty."""
    value = record.get(name)
    if value and value not in supported:
        yield Cause.unsupported(f"{path}.{name}", value, supported)


def check_labels(labels: Mapping[str, str] | None, field: str) -> Iterator[Cause]:
    """Yield the errors of labels, or of matchLabels."""
    for key, value in (labels or {}).items():
        yield from faults(field, key, label_key(key))
        yield from faults(field, value, label_value(value))


def _annotations(annotations: Mapping[str, str]) -> Iterator[Cause]:
    for key in annotations:
        yield from faults("metadata.annotations", key, label_key(key.lower()))
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > _LONGEST_ANNOTATIONS:
        yield Cause.too_long("metadata.annotations", _LONGEST_ANNOTATIONS)


def _owners(owners: Sequence[Body]) -> Iterator[Cause]:
    field = "metadata.ownerReferences"
    for owner in owners:
        if not owner.get("apiVersion"):
            yield Cause.invalid(f"{field}.apiVersion", '""', "version must not be empty")
        for part in ("kind", "name", "uid"):
            if not owner.get(part):
                yield Cause.invalid(f"{field}.{part}", '""', "must not be empty")
        if (owner.get("apiVersion"), owner.get("kind")) == ("v1", "Event"):
            text = "/v1, Kind=Event is disallowed from being an owner"
            yield Cause.invalid(field, quoted(owner), text)
    controllers = [one for one in owners if one.get("controller")]
    for first, other in pairwise(controllers):
        text = (
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{first.get('kind')}/{first.get('name')} and {other.get('kind')}/{other.get('name')}"
        )
        yield Cause.invalid(field, quoted(owners), text)


def _finalizers(finalizers: Sequence[str]) -> Iterator[Cause]:
    field = "metadata.finalizers"
    for index, name in enumerate(finalizers):
        yield from faults(field, name, label_key(name))
        if "/" not in name and name not in _STANDARD_FINALIZERS:
            text = "name is neither a standard finalizer name nor is it fully qualified"
            yield Cause.invalid(f"{field}[{index}]", quoted(name), text)
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        yield Cause.invalid(field, quoted(finalizers), text)


def _late_finalizers(metadata: Body, before: Body) -> Iterator[Cause]:
    known = before.get("finalizers") or ()
    new = [name for name in metadata.get("finalizers") or () if name not in known]
    if new and before.get("deletionTimestamp"):
        shown = ", ".join(quoted(name) for name in new)
        text = (
            "no new finalizers can be added if the object is being deleted, found new finalizers "
            f"[]string{{{shown}}}"
        )
        yield Cause.forbidden("metadata.finalizers", text)
