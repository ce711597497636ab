"""The body of an object after a PATCH call."""

import logging
from collections.abc import Mapping
from typing import Any

from localcloud.kubernetes.api import calls, patch
from localcloud.kubernetes.api.calls import APPLY_PATCH, JSON_PATCH, PATCH_TYPES, Call
from localcloud.kubernetes.objects.failures import (
    ApiFailure,
    WrongType,
    bad_request,
    invalid_patch,
    unsupported_media,
)
from localcloud.kubernetes.objects.go_values import go_text, json_word, wrong_conversion
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.schema import record_of
from localcloud.kubernetes.objects.store import Body, Stored, encode

log = logging.getLogger(__name__)

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def require_patch_type(content_type: str) -> None:
    """Reject a body that is not a patch of a known type.

    Raises:
        ApiFailure: 415 with the known types.
    """
    if content_type not in PATCH_TYPES:
        raise unsupported_media(
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(PATCH_TYPES)
        )


def patched_body(kind: Kind, stored: Stored, call: Call) -> Body:
    """Return the body of an object after a patch call.

    Raises:
        ApiFailure: 400 or 422 where the patch does not fit.
    """
    patched = _patched(kind, stored.copy(), call)
    if call.content_type == APPLY_PATCH and call.query.get("fieldManager") == "kubectl":
        _note_applied(patched, call.body)
    return patched


def _note_applied(patched: Body, applied: Mapping[str, Any]) -> None:
    """Update kubectl's last-applied annotation, for later applies without `--server-side`."""
    annotations = patched["metadata"].get("annotations") or {}
    if LAST_APPLIED in annotations:
        annotations[LAST_APPLIED] = encode(applied).decode() + "\n"


def _require_form(call: Call) -> None:
    """Reject a patch that is not an object, or not a list of operations."""
    is_list = call.content_type == JSON_PATCH
    fits = isinstance(call.body, list) if is_list else isinstance(call.body, Mapping)
    if fits or call.content_type == APPLY_PATCH:
        return
    go_type = "[]handlers.jsonPatchOp" if is_list else "map[string]interface {}"
    found = json_word(call.body)
    why = f"json: cannot unmarshal {found} into Go value of type {go_type}"
    if call.body is None:
        why = "unexpected end of JSON input"
    strategic = call.content_type == calls.STRATEGIC_PATCH
    raise bad_request(why if strategic else f"error decoding patch: {why}")


def _patched(kind: Kind, base: Body, call: Call) -> Body:
    """Return a document after a patch call."""
    _require_form(call)
    try:
        match call.content_type:
            case calls.JSON_PATCH:
                return dict(patch.json_patch(base, _without_owners(call.body)))
            case calls.MERGE_PATCH:
                return dict(patch.merge_patch(base, call.body))
            case calls.STRATEGIC_PATCH:
                return dict(patch.strategic_merge(record_of(kind), base, call.body))
            case _:
                return dict(patch.apply_patch(record_of(kind), base, call.body))
    except (patch.BadPatch, AttributeError, TypeError, ValueError, KeyError) as error:
        if call.content_type == JSON_PATCH:
            log.info("a JSON patch of %s does not fit: %s", call.path, error)
            # The real server does not report the reason.
            message = "the server rejected our request due to an error in our request"
            raise ApiFailure(422, "Invalid", message, {}) from error
        raise bad_request(str(error)) from error


def _without_owners(operations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Remove operations on managedFields, which are not stored."""
    return [
        one for one in operations if not one.get("path", "").startswith("/metadata/managedFields")
    ]


def shown_patch(call: Call, patched: Body) -> str:
    """Return the text of a patch in messages: a strategic one itself, else its result."""
    if call.content_type == calls.STRATEGIC_PATCH:
        return go_text(call.body)
    return encode(patched).decode()


def wrong_patch(call: Call, patched: Body, error: WrongType) -> ApiFailure:
    """Return the error for a patch with a value of a wrong type."""
    why = error.why
    if call.content_type == calls.STRATEGIC_PATCH:
        why = wrong_conversion(error.value, error.go_type)
    return invalid_patch(shown_patch(call, patched), why)
