"""Deletion: at once, or in two steps with finalizers or a grace period."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from localcloud.clock import stamp
from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.failures import (
    Cause,
    bad_request,
    forbidden,
    invalid_options,
    quoted,
    unmet_precondition,
)
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.registry import Registry
from localcloud.kubernetes.objects.store import Body, Stored

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
"""Finalizers that the garbage collector handles."""

_PROPAGATIONS = ("Foreground", "Background", "Orphan")
_LASTING_NAMESPACES = ("default", "kube-public", "kube-system")


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """Grace seconds (None: the object's own), propagation policy, and preconditions."""

    grace: int | None = None
    propagation: str = ""
    uid: str = ""
    version: str = ""
    dry_run: bool = False

    @classmethod
    def read(cls, body: Mapping[str, Any] | None, query: Mapping[str, str]) -> "DeleteOptions":
        """Read the options from a request's body or, where absent, from its query.

        Raises:
            ApiFailure: 400 or 422 for unknown options, so that nothing is deleted by mistake.
        """
        body = body or {}
        grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
        only_if = body.get("preconditions") or {}
        propagation = body.get("propagationPolicy") or query.get("propagationPolicy", "")
        orphan = str(body.get("orphanDependents", query.get("orphanDependents", ""))).lower()
        dry_run = list(body.get("dryRun") or filter(None, [query.get("dryRun")]))
        _require_known(propagation, orphan, dry_run)
        try:
            seconds = None if grace is None else int(grace)
        except (TypeError, ValueError) as error:
            why = f"strconv.ParseInt: parsing {quoted(grace)}: invalid syntax"
            raise bad_request(why) from error
        return cls(
            grace=seconds,
            propagation=propagation or ("Orphan" if orphan == "true" else ""),
            uid=only_if.get("uid") or "",
            version=only_if.get("resourceVersion") or "",
            dry_run=bool(dry_run),
        )


def _require_known(propagation: str, orphan: str, dry_run: list[Any]) -> None:
    field = "propagationPolicy"
    causes = []
    if propagation and propagation not in _PROPAGATIONS:
        causes.append(Cause.unsupported(field, propagation, (*_PROPAGATIONS, "nil")))
    elif propagation and orphan:
        text = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(Cause.invalid(field, quoted(propagation), text))
    if any(stage != "All" for stage in dry_run):
        causes.append(Cause.unsupported("dryRun", dry_run, ("All",)))
    if causes:
        raise invalid_options("DeleteOptions", causes)


def delete(
    registry: Registry, kind: Kind, namespace: str, name: str, options: DeleteOptions
) -> tuple[Stored, bool]:
    """Delete an object, or mark it as leaving; return its last state and whether it is gone.

    It stays, marked, while it has finalizers, while a namespace has contents, and during the grace
    period of a pod on a node. A policy of Orphan or Foreground becomes a finalizer for the
    garbage collector.
    """
    stored = registry.read(kind, namespace, name)
    require_preconditions(kind, stored, options)
    if kind is kinds.NAMESPACE and name in _LASTING_NAMESPACES:
        raise forbidden(kind, name, "this namespace may not be deleted")
    grace = _grace(stored.body, options) if kind is kinds.POD else 0
    finalizers = _finalizers(stored.body, options.propagation)
    stays = bool(finalizers) or grace > 0 or kind is kinds.NAMESPACE
    if options.dry_run:
        return stored, not stays
    if not stays:
        return registry.store.remove(kind, _hurried(registry, kind, stored)), True
    metadata = stored.body["metadata"]
    sooner = kind is kinds.POD and grace < metadata.get("deletionGracePeriodSeconds", grace + 1)
    if metadata.get("deletionTimestamp") and not sooner:
        return stored, False
    due = stamp(registry.clock.now() + timedelta(seconds=grace))
    marked = registry.change(kind, stored, lambda body: _mark(kind, body, due, grace, finalizers))
    return marked, False


def _hurried(registry: Registry, kind: Kind, stored: Stored) -> Stored:
    """Set a leaving pod's grace to zero, as an event of its own before the deletion."""
    if not stored.body["metadata"].get("deletionGracePeriodSeconds"):
        return stored
    body = stored.copy()
    now = stamp(registry.clock.now())
    body["metadata"] |= {"deletionTimestamp": now, "deletionGracePeriodSeconds": 0}
    return registry.store.put(kind, body)


def require_preconditions(kind: Kind, stored: Stored, options: DeleteOptions) -> None:
    """Refuse to delete an object or a version other than the expected one."""
    name = stored.body["metadata"]["name"]
    if options.version and options.version != str(stored.version):
        why = (
            f"the ResourceVersion in the precondition ({options.version}) does not match the "
            f"ResourceVersion in record ({stored.version}). The object might have been modified"
        )
        raise unmet_precondition(kind, name, why)
    uid, current = options.uid, stored.body["metadata"]["uid"]
    if uid and uid != current:
        why = (
            f"the UID in the precondition ({uid}) does not match the UID in record "
            f"({current}). The object might have been deleted and then recreated"
        )
        raise unmet_precondition(kind, name, why)


def _grace(pod: Body, options: DeleteOptions) -> int:
    """Return the grace seconds of a pod; 0 without a kubelet to use them."""
    spec, status = pod["spec"], pod.get("status", {})
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    own = spec.get("terminationGracePeriodSeconds", 30)
    return max(0, int(own if options.grace is None else options.grace))


def _finalizers(body: Body, propagation: str) -> list[str]:
    """Return the finalizers of a leaving object, with those of the propagation policy."""
    finalizers = [
        name
        for name in body["metadata"].get("finalizers", ())
        if not propagation or name not in (ORPHAN, FOREGROUND)
    ]
    order = {"Orphan": ORPHAN, "Foreground": FOREGROUND}.get(propagation)
    return [*finalizers, order] if order else finalizers


def _mark(kind: Kind, body: Body, due: str, grace: int, finalizers: list[str]) -> None:
    metadata = body["metadata"]
    if "generation" in metadata and "deletionTimestamp" not in metadata:
        metadata["generation"] += 1
    metadata["deletionTimestamp"] = due
    metadata["finalizers"] = finalizers
    if not finalizers:
        del metadata["finalizers"]
    if kind is not kinds.NAMESPACE:
        metadata["deletionGracePeriodSeconds"] = grace
    if kind is kinds.NAMESPACE:
        body["status"] = {**body.get("status", {}), "phase": "Terminating"}
