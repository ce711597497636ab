"""From a PATCH call to the body that it makes of an object."""

from collections.abc import Mapping
from typing import Any

from localcloud.kubernetes.api import calls, patch
from localcloud.kubernetes.api.calls import APPLY_PATCH, JSON_PATCH, PATCH_TYPES, Call
from localcloud.kubernetes.objects.failures import ApiFailure, bad_request, unsupported_media
from localcloud.kubernetes.objects.store import Body, Stored, encode

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def require_patch_type(content_type: str) -> None:
    """Refuse what is no patch.

    Raises:
        ApiFailure: 415 that names the types that are understood.
    """
    if content_type not in PATCH_TYPES:
        raise unsupported_media(
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(PATCH_TYPES)
        )


def patched_body(stored: Stored, call: Call) -> Body:
    """What a patch call makes of an object.

    Raises:
        ApiFailure: 400 or 422 where the patch does not fit.
    """
    patched = _patched(stored.copy(), call)
    if call.content_type == APPLY_PATCH and call.query.get("fieldManager") == "kubectl":
        _note_applied(patched, call.body)
    return patched


def _note_applied(patched: Body, applied: Mapping[str, Any]) -> None:
    """Keep the note of `kubectl apply` true for who goes on without `--server-side`."""
    annotations = patched["metadata"].get("annotations") or {}
    if LAST_APPLIED in annotations:
        annotations[LAST_APPLIED] = encode(applied).decode() + "\n"


def _patched(base: Body, call: Call) -> Body:
    """What a patch call makes of a document."""
    try:
        match call.content_type:
            case calls.JSON_PATCH:
                return dict(patch.json_patch(base, _without_owners(call.body)))
            case calls.MERGE_PATCH:
                return dict(patch.merge_patch(base, call.body))
            case calls.STRATEGIC_PATCH:
                return dict(patch.strategic_merge(base, call.body))
            case _:
                return dict(patch.apply_patch(base, call.body))
    except (patch.BadPatch, AttributeError, TypeError, ValueError) as error:
        if call.content_type == JSON_PATCH:
            message = f"the server rejected our request due to an error in our request: {error}"
            raise ApiFailure(422, "Invalid", message) from error
        raise bad_request(str(error)) from error


def _without_owners(operations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what is said about managedFields: none are kept here."""
    return [
        one for one in operations if not one.get("path", "").startswith("/metadata/managedFields")
    ]
