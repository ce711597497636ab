"""Request bodies: from bytes of a media type to a JSON document."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import yaml

from localcloud.kubernetes.api import go_json, protobuf
from localcloud.kubernetes.api.calls import JSON, PATCH_TYPES, STRATEGIC_PATCH
from localcloud.kubernetes.objects.failures import ApiFailure, bad_request, unsupported_media

PROTOBUF = "application/vnd.kubernetes.protobuf"
MAX_BODY = 3 * 1024 * 1024

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


async def receive_all(receive: Receive) -> bytes:
    """Read one request body.

    Raises:
        ApiFailure: 413 for one that is larger than 3 MiB.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY:
            text = f"Request entity too large: limit is {MAX_BODY}"
            raise ApiFailure(413, "RequestEntityTooLarge", text)
        if not message.get("more_body"):
            break
    return b"".join(parts)


def decode(content: bytes, media_type: str, kind: str = "") -> Any:
    """Decode a body to a JSON document; None without a body.

    Args:
        kind: the expected kind, for the error message.
    """
    if not content:
        return None
    if media_type == PROTOBUF:
        return protobuf.decode(content)
    if media_type in ("application/yaml", "application/apply-patch+yaml"):
        return _yaml(content)
    if media_type in PATCH_TYPES:
        return _patch(content, media_type)
    if media_type == JSON or media_type == "*/*":
        return _json(content, kind)
    raise unsupported_media(
        "the body of the request was in an unknown format - accepted media types include: "
        f"application/json, application/yaml, {PROTOBUF}"
    )


def _json(content: bytes, kind: str) -> Any:
    try:
        return go_json.loads(content)
    except ValueError as error:
        text = content[:100].decode(errors="replace")
        wanted = f" (must be of type {kind})" if kind else ""
        message = (
            f"the object provided is unrecognized{wanted}: couldn't get version/kind; "
            f"json parse error: {error} ({text})"
        )
        raise bad_request(message) from error


def _patch(content: bytes, media_type: str) -> Any:
    try:
        return go_json.loads(content)
    except ValueError as error:
        strategic = media_type == STRATEGIC_PATCH
        why = str(error) if strategic else f"error decoding patch: {error}"
        raise bad_request(why) from error


def _yaml(content: bytes) -> Any:
    try:
        found = yaml.load(content, Loader=_JsonLoader)  # noqa: S506 - a SafeLoader without dates
        # Values without a JSON form fail here, as on the real server, which converts likewise.
        return go_json.loads(json.dumps(found).encode())
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise bad_request(f"error decoding YAML: {error}") from error


class _JsonLoader(yaml.SafeLoader):
    """YAML with JSON's types: timestamps stay text."""


_JsonLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
