"""Failures of the API server: one exception, and the real server's messages."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.kubernetes.objects.kinds import Kind


class ApiFailure(Exception):
    """A refused request.

    Attributes:
        status: the HTTP status.
        reason: Kubernetes' reason, such as `NotFound`, `Conflict` or `Invalid`; may be empty.
        message: the sentence that kubectl prints.
        details: the details of the Status object, or None.
        retry_after: seconds, sent as a header, or None.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        *,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """Return the Status object of the answer."""
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "code": self.status,
            "kind": "Status",
            "message": self.message,
            "metadata": {},
            "status": "Failure",
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return body


@dataclass(frozen=True, slots=True)
class Cause:
    """One error of an object."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"

    @classmethod
    def required(cls, field: str, text: str = "") -> "Cause":
        return cls(field, "Required value" + (f": {text}" if text else ""), "FieldValueRequired")

    @classmethod
    def invalid(cls, field: str, value: str, text: str) -> "Cause":
        return cls(field, f"Invalid value: {value}: {text}")

    @classmethod
    def unsupported(cls, field: str, value: Any, supported: Sequence[str]) -> "Cause":
        known = ", ".join(quoted(one) for one in supported)
        text = f"Unsupported value: {quoted(value)}: supported values: {known}"
        return cls(field, text, "FieldValueNotSupported")

    @classmethod
    def too_long(cls, field: str, longest: int) -> "Cause":
        text = f"Too long: may not be more than {longest} bytes"
        return cls(field, text, "FieldValueTooLong")

    @classmethod
    def duplicate(cls, field: str, value: Any) -> "Cause":
        return cls(field, f"Duplicate value: {quoted(value)}", "FieldValueDuplicate")

    @classmethod
    def not_found(cls, field: str, value: Any) -> "Cause":
        return cls(field, f"Not found: {quoted(value)}", "FieldValueNotFound")

    @classmethod
    def forbidden(cls, field: str, text: str) -> "Cause":
        return cls(field, f"Forbidden: {text}", "FieldValueForbidden")


def quoted(value: Any) -> str:
    """Return a value as messages show it: as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _about(kind: Kind, name: str) -> dict[str, Any]:
    details: dict[str, Any] = {"name": name, "group": kind.group, "kind": kind.plural}
    return {key: value for key, value in details.items() if value}


def bad_request(message: str) -> ApiFailure:
    return ApiFailure(400, "BadRequest", message)


def internal_error(message: str) -> ApiFailure:
    """Return the 500 that the real server has for some mistakes of clients."""
    return ApiFailure(500, "", message)


def unreadable(kind: Kind, why: str) -> ApiFailure:
    """Return the error for a body that does not have the form of its kind."""
    return bad_request(
        f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}'
    )


class WrongType(ApiFailure):
    """A field holds a value of another JSON type than it should.

    Attributes:
        why: the sentence about the field alone.
        value: the value.
        go_type: the expected type.
    """

    def __init__(self, kind: Kind, why: str, value: Any, go_type: str) -> None:
        failure = unreadable(kind, why)
        super().__init__(failure.status, failure.reason, failure.message)
        self.why = why
        self.value = value
        self.go_type = go_type


def wrong_name(name: str, given: str) -> ApiFailure:
    """Return the error for a body with another name than its path, or none."""
    if not given:
        return bad_request(
            f"the name of the object ({name} based on URL) was undeterminable: name must be "
            "provided"
        )
    return bad_request(
        f"the name of the object ({given}) does not match the name on the URL ({name})"
    )


def not_found(kind: Kind, name: str) -> ApiFailure:
    return ApiFailure(404, "NotFound", f'{kind.resource} "{name}" not found', _about(kind, name))


def no_such_path(why: str = "") -> ApiFailure:
    message = "the server could not find the requested resource" + (f": {why}" if why else "")
    # `kubectl debug` reads the details of a 404 without checking for them.
    return ApiFailure(404, "NotFound", message, {})


def not_emulated(resource: str) -> ApiFailure:
    """Return the 404 for a resource that is not emulated."""
    why = f"{resource} is not emulated; `kubectl api-resources` lists what is"
    return no_such_path(why)


def already_exists(kind: Kind, name: str) -> ApiFailure:
    message = f'{kind.resource} "{name}" already exists'
    return ApiFailure(409, "AlreadyExists", message, _about(kind, name))


def unmet_precondition(kind: Kind, name: str, why: str) -> ApiFailure:
    """Return the error for a failed precondition of a deletion."""
    message = f'Operation cannot be fulfilled on {kind.kind} "{name}": {why}'
    return ApiFailure(409, "Conflict", message, {"kind": kind.kind, "name": name})


def conflict(kind: Kind, name: str, why: str = "") -> ApiFailure:
    """Return the error for a conflicting write; by default, that the object has changed."""
    why = why or (
        "the object has been modified; please apply your changes to the latest version and "
        "try again"
    )
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return ApiFailure(409, "Conflict", message, _about(kind, name))


def forbidden(kind: Kind, name: str, why: str) -> ApiFailure:
    about = f'{kind.resource} "{name}"' if name else kind.resource
    return ApiFailure(403, "Forbidden", f"{about} is forbidden: {why}", _about(kind, name))


def invalid(kind: Kind, name: str, causes: Sequence[Cause]) -> ApiFailure:
    """Return the error for an invalid object."""
    return _invalid(kind.kind, kind.group, name, causes)


def invalid_options(options: str, causes: Sequence[Cause]) -> ApiFailure:
    """Return the error for invalid options, such as `CreateOptions`."""
    return _invalid(options, "meta.k8s.io", "", causes)


def invalid_request(kind: str, group: str, causes: Sequence[Cause]) -> ApiFailure:
    """Return the error for an invalid object that is never stored, such as a `TokenRequest`."""
    return _invalid(kind, group, "", causes)


def invalid_patch(patch: str, why: str) -> ApiFailure:
    """Return the error for a patch with an invalid result."""
    return _invalid("", "", "", [Cause.invalid("patch", quoted(patch), why)])


def _invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> ApiFailure:
    # Equal messages are reported once.
    texts = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    label = f"{kind}.{group}" if group else kind
    details: dict[str, Any] = {
        "name": name,
        "group": group,
        "kind": kind,
        "causes": [
            {"reason": cause.reason, "message": cause.message, "field": cause.field}
            for cause in causes
        ],
    }
    details = {key: value for key, value in details.items() if value}
    return ApiFailure(422, "Invalid", f'{label} "{name}" is invalid: {joined}', details)


def expired(message: str) -> ApiFailure:
    return ApiFailure(410, "Expired", message)


def method_not_allowed() -> ApiFailure:
    message = "the server does not allow this method on the requested resource"
    return ApiFailure(405, "MethodNotAllowed", message)


def unsupported_media(message: str) -> ApiFailure:
    return ApiFailure(415, "UnsupportedMediaType", message)


def unavailable(message: str) -> ApiFailure:
    return ApiFailure(503, "ServiceUnavailable", message)
