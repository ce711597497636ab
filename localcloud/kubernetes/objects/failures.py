"""How the API server says no: one exception, and the wording the real server uses."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.kubernetes.objects.kinds import Kind


class ApiFailure(Exception):
    """A refused request.

    Attributes:
        status: the HTTP status.
        reason: Kubernetes' own word, such as `NotFound`, `Conflict` or `Invalid`; empty where
            the real server has none.
        message: the sentence that kubectl prints.
        details: what the Status object says about the object; None where it has no such part.
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
        """The Status object of the answer."""
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
    """One thing that is wrong with an object."""

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
    """A value as messages show it: as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _about(kind: Kind, name: str) -> dict[str, Any]:
    details: dict[str, Any] = {"name": name, "group": kind.group, "kind": kind.plural}
    return {key: value for key, value in details.items() if value}


def bad_request(message: str) -> ApiFailure:
    return ApiFailure(400, "BadRequest", message)


def internal_error(message: str) -> ApiFailure:
    """A 500 that is the writer's fault: the real server looks too late to say so."""
    return ApiFailure(500, "", message)


def unreadable(kind: Kind, why: str) -> ApiFailure:
    """Refuse a body that does not have the form of its kind."""
    return bad_request(
        f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}'
    )


class WrongType(ApiFailure):
    """A field holds a value of another JSON type than it should.

    Attributes:
        why: the sentence about the field alone.
        value: what it holds.
        go_type: what it should be.
    """

    def __init__(self, kind: Kind, why: str, value: Any, go_type: str) -> None:
        failure = unreadable(kind, why)
        super().__init__(failure.status, failure.reason, failure.message)
        self.why = why
        self.value = value
        self.go_type = go_type


def wrong_name(name: str, given: str) -> ApiFailure:
    """Refuse a body that names another object than its path, or none."""
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
    # `kubectl debug` reads the details of a 404 without asking whether there are any.
    return ApiFailure(404, "NotFound", message, {})


def not_emulated(resource: str) -> ApiFailure:
    """The 404 for something that other API servers have."""
    why = f"{resource} is not emulated; `kubectl api-resources` lists what is"
    return no_such_path(why)


def already_exists(kind: Kind, name: str) -> ApiFailure:
    message = f'{kind.resource} "{name}" already exists'
    return ApiFailure(409, "AlreadyExists", message, _about(kind, name))


def unmet_precondition(kind: Kind, name: str, why: str) -> ApiFailure:
    """Refuse to delete what is not what was meant."""
    message = f'Operation cannot be fulfilled on {kind.kind} "{name}": {why}'
    return ApiFailure(409, "Conflict", message, {"kind": kind.kind, "name": name})


def conflict(kind: Kind, name: str, why: str = "") -> ApiFailure:
    """Refuse a write; without a reason, because the object has changed in between."""
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
    """Refuse an object for what is in it."""
    return _invalid(kind.kind, kind.group, name, causes)


def invalid_options(options: str, causes: Sequence[Cause]) -> ApiFailure:
    """Refuse a request for its options, such as `CreateOptions`."""
    return _invalid(options, "meta.k8s.io", "", causes)


def invalid_request(kind: str, group: str, causes: Sequence[Cause]) -> ApiFailure:
    """Refuse what is sent but never stored, such as a `TokenRequest`."""
    return _invalid(kind, group, "", causes)


def invalid_patch(patch: str, why: str) -> ApiFailure:
    """Refuse a patch for what it would make of an object."""
    return _invalid("", "", "", [Cause.invalid("patch", quoted(patch), why)])


def _invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> ApiFailure:
    # What is wrong in two ways with the same words is said once.
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
