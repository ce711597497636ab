"""The query options of writes, and the handling of unknown fields."""

from collections.abc import Callable, Iterator
from typing import Any

from localcloud.kubernetes.api.calls import APPLY_PATCH, Call
from localcloud.kubernetes.objects.failures import (
    ApiFailure,
    Cause,
    invalid_options,
    quoted,
    unreadable,
)
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.shapes import unknown_fields

WARN, STRICT = "Warn", "Strict"

_MODES = ("", "Ignore", STRICT, WARN)
_OPTIONS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}
_LONGEST_MANAGER = 128  # bytes


def require_write_options(call: Call) -> None:
    """Reject unknown or invalid options of a write.

    Raises:
        ApiFailure: 422 with each of them.
    """
    causes = list(_wrong_options(call))
    if causes:
        raise invalid_options(_OPTIONS[call.method], causes)


def _wrong_options(call: Call) -> Iterator[Cause]:
    manager, dry_run = call.query.get("fieldManager", ""), call.query.get("dryRun", "")
    if call.content_type == APPLY_PATCH and not manager:
        yield Cause.required("fieldManager", "is required for apply patch")
    if call.method == "PATCH" and call.content_type != APPLY_PATCH and "force" in call.query:
        yield Cause.forbidden("force", "may not be specified for non-apply patch")
    if len(manager.encode()) > _LONGEST_MANAGER:
        yield Cause.too_long("fieldManager", _LONGEST_MANAGER)
    if dry_run not in ("", "All"):
        yield Cause.unsupported("dryRun", [dry_run], ("All",))
    mode = call.query.get("fieldValidation", "")
    if mode not in _MODES:
        yield Cause.unsupported("fieldValidation", mode, _MODES)


def settle_fields(
    kind: Kind, call: Call, body: Any, refuse: Callable[[str], ApiFailure] | None = None
) -> tuple[str, ...]:
    """Remove unknown fields from a body by fieldValidation, and return the warnings.

    A call without the option comes from our own components, which need no check; for other clients
    the default is set before.

    Args:
        refuse: returns the failure of a strict call for a reason; by default, an unreadable body.

    Raises:
        ApiFailure: a strict call has unknown fields.
    """
    mode = call.query.get("fieldValidation")
    if mode is None:
        return ()
    places = unknown_fields(kind, body)
    unknown = tuple(f"unknown field {quoted(path)}" for path, _, _ in places)
    if unknown and mode == STRICT:
        why = f"strict decoding error: {', '.join(unknown)}"
        raise refuse(why) if refuse else unreadable(kind, why)
    for _, record, name in places:
        del record[name]
    return unknown if mode in ("", WARN) else ()
