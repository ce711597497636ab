"""The query options of lists and watches."""

from collections.abc import Iterator

from localcloud.kubernetes.api.calls import Call, Target
from localcloud.kubernetes.objects.failures import (
    ApiFailure,
    Cause,
    bad_request,
    expired,
    internal_error,
    invalid_options,
    quoted,
)
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.label_parser import BadSelector
from localcloud.kubernetes.objects.selectors import parse_field_selector, parse_label_selector
from localcloud.kubernetes.objects.watching import Selection

_MATCH = "resourceVersionMatch"
_EVERYWHERE = ("metadata.name", "metadata.namespace")


def selection_of(kind: Kind, call: Call, target: Target) -> Selection:
    """Return the selection of a call, by its path and its selectors.

    Raises:
        ApiFailure: 400 for an invalid selector, or a field that cannot be selected by.
    """
    labels = call.query.get("labelSelector", "")
    fields = call.query.get("fieldSelector", "")
    if target.name:  # GET of one object with watch=true
        fields = f"metadata.name={target.name}"
    try:
        parse_label_selector(labels)
        for field, _, _ in parse_field_selector(fields):
            _require_selectable(kind, field)
    except BadSelector as error:
        raise bad_request(str(error)) from error
    return Selection(kind, target.namespace, labels, fields)


def _require_selectable(kind: Kind, field: str) -> None:
    if field in (*_EVERYWHERE, *kind.fields):
        return
    if kind.fields:
        raise bad_request(f"field label not supported: {field}")
    known = ", ".join(quoted(one) for one in _EVERYWHERE)
    raise bad_request(f"{quoted(field)} is not a known field selector: only {known}")


def list_options(call: Call, newest: int) -> tuple[int, str]:
    """Return the limit of a list (0: none), and its continue token.

    Args:
        newest: the current version of the store.

    Raises:
        ApiFailure: the options conflict, or their version is too old or in the future.
    """
    causes = list(_wrong_match(call))
    if causes:
        raise invalid_options("ListOptions", causes)
    version, token = call.query.get("resourceVersion", ""), call.query.get("continue", "")
    limit = max(0, whole_number(call, "limit"))
    if token and version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    if not _is_readable(version):
        raise bad_request(f"invalid resource version: {_no_version(version)}")
    if version and int(version) > newest:
        raise _too_large(version, newest)
    if call.query.get(_MATCH) == "Exact" and int(version) != newest:
        raise expired("The resourceVersion for the provided list is too old.")
    # As upstream, lists from the cache are not paged.
    return 0 if version == "0" else limit, token


def _wrong_match(call: Call) -> Iterator[Cause]:
    match, version = call.query.get(_MATCH, ""), call.query.get("resourceVersion", "")
    if "sendInitialEvents" in call.query:
        text = "sendInitialEvents is forbidden for list"
        yield Cause.forbidden("sendInitialEvents", text)
    if not match:
        return
    if match not in ("Exact", "NotOlderThan"):
        yield Cause.unsupported(_MATCH, match, ("Exact", "NotOlderThan", ""))
    elif not version:
        text = f"{_MATCH} is forbidden unless resourceVersion is provided"
        yield Cause.forbidden(_MATCH, text)
    elif match == "Exact" and version == "0":
        text = f'{_MATCH} "exact" is forbidden for resourceVersion "0"'
        yield Cause.forbidden(_MATCH, text)


def require_watch_options(call: Call, newest: int) -> None:
    """Refuse a watch from an invalid version, or from one far in the future."""
    match = call.query.get(_MATCH, "")
    causes = []
    if "sendInitialEvents" in call.query:
        if match != "NotOlderThan":
            text = f"sendInitialEvents requires setting {_MATCH} to NotOlderThan"
            causes.append(Cause.forbidden(_MATCH, text))
    elif match:
        text = f"{_MATCH} is forbidden for watch unless sendInitialEvents is provided"
        causes.append(Cause.forbidden(_MATCH, text))
        if match != "NotOlderThan":
            causes.append(Cause.unsupported(_MATCH, match, ("NotOlderThan",)))
    if causes:
        raise invalid_options("ListOptions", causes)
    version = call.query.get("resourceVersion", "")
    if not _is_readable(version):
        raise internal_error(_no_version(version))
    if version and int(version) > newest:
        raise _too_large(version, newest)


def whole_number(call: Call, name: str) -> int:
    """Return an option that is a number; 0 where it is absent."""
    text = call.query.get(name, "")
    try:
        return int(text or "0")
    except ValueError as error:
        why = f"strconv.ParseInt: parsing {quoted(text)}: invalid syntax"
        raise bad_request(why) from error


def _is_readable(version: str) -> bool:
    """Return whether a version is a number, or absent."""
    return not version or (version.isascii() and version.isdecimal())


def _no_version(version: str) -> str:
    shown = quoted(version)
    return (
        f"resourceVersion: Invalid value: {shown}: strconv.ParseUint: parsing {shown}: "
        "invalid syntax"
    )


def _too_large(version: str, newest: int) -> ApiFailure:
    reason, text = "ResourceVersionTooLarge", "Too large resource version"
    details = {"causes": [{"reason": reason, "message": text}], "retryAfterSeconds": 1}
    message = f"Timeout: {text}: {version}, current: {newest}"
    return ApiFailure(504, "Timeout", message, details, retry_after=1)
