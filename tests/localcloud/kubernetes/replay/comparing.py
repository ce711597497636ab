"""What is compared of two answers, and how their differences are has_message."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

GENERATED = "[bcdfghjklmnpqrstvwxz2456789]"
"""The letters of generated names."""

# Names of the two runs: pods, template hashes, events; and allocated addresses.
_VOLATILE_TEXT = (
    (re.compile(r"(?<=[a-z0-9])\.[0-9a-f]{16}\b"), ".<generated>"),
    (re.compile(rf"\b(?=\w*\d){GENERATED}{{8,10}}(-{GENERATED}{{5}})?\b"), "<generated>"),
    (re.compile(rf"(?<=[a-z])-{GENERATED}{{5}}\b"), "-<generated>"),
    (re.compile(r"\b10\.(244|96)\.(?!0\.1\b)\d+\.\d+(/24)?\b"), "<address>"),
)
_NODE = re.compile(r"\b192\.168\.100\.[35]\b")
_AGE = re.compile(r"\d+[smhd](\d+[smh])?")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_HIDDEN = {
    "uid": "<uid>",
    "resourceVersion": "<version>",
    # Of the recorded program, not of its API.
    **dict.fromkeys(
        ("buildDate", "compiler", "gitCommit", "gitTreeState", "goVersion", "platform"), "<build>"
    ),
}
_LEFT_OUT = {
    "managedFields",
    "description",  # of columns: prose
    # The recorded server ran without the ServiceAccount admission that clusters have.
    "serviceAccount",
    "serviceAccountName",
}
_KEYED = {"versions", "resources", "subresources"}
"""Lists of discovery, has_message by name so that what is absent does not shift the rest."""


def lasting(value: Any, key: str = "") -> Any:
    """Return a body without values that differ from run to run, in the same shape."""
    if isinstance(value, dict):
        return {name: lasting(one, name) for name, one in value.items() if name not in _LEFT_OUT}
    if isinstance(value, list):
        ones = [lasting(one, key) for one in value]
        if key in _KEYED:
            return {_name(one): one for one in ones}
        return _by_name(ones) if key in ("items", "rows") else ones
    if isinstance(value, str):
        return _lasting_text(value, key)
    return value


def _lasting_text(text: str, key: str) -> str:
    if key in _HIDDEN and text:
        return _HIDDEN[key]
    if _MOMENT.fullmatch(text):
        return "<moment>"
    if key == "cells" and _AGE.fullmatch(text):
        return "<age>"
    for pattern, instead in _VOLATILE_TEXT:
        text = pattern.sub(instead, text)
    return text


def _name(one: Mapping[str, Any]) -> str:
    metadata = one.get("metadata") or one.get("object", {}).get("metadata", {})
    name = one.get("resource") or one.get("subresource") or one.get("name") or one.get("version")
    return str(name or metadata.get("name", ""))


def _by_name(ones: list[Any]) -> Any:
    """Return items in an order without generated names; groups of discovery by name."""
    if ones and "versions" in ones[0]:
        return {_name(one): one for one in ones}
    return sorted(ones, key=lambda one: (_name(one), json.dumps(one, sort_keys=True)))


def stories(events: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return the events of a watch by object, because their interleaving is random."""
    has_message: dict[str, list[Any]] = {}
    for event in events:
        has_message.setdefault(event["object"]["metadata"].get("name", ""), []).append(event)
    found: dict[str, list[Any]] = {}
    for name, story in has_message.items():
        found.setdefault(lasting(name), []).append(_anywhere(lasting(story)))
    return {
        name: sorted(those, key=lambda story: json.dumps(story, sort_keys=True))
        for name, those in found.items()
    }


def _anywhere(story: list[Any]) -> Any:
    """Return an object's events without its node, which is a random choice among equal nodes."""
    return json.loads(_NODE.sub("<node>", json.dumps(story)))


def differences(recorded: Any, here: Any, path: str = "") -> Iterator[str]:
    """Yield each place in which two bodies differ, after `lasting` was applied to both."""
    if isinstance(recorded, dict) and isinstance(here, dict):
        for key in sorted({*recorded, *here}):
            place = f"{path}.{key}" if path else key
            if key not in here:
                yield f"{place}: absent"
            elif key not in recorded:
                yield f"{place}: not recorded"
            else:
                yield from differences(recorded[key], here[key], place)
    elif isinstance(recorded, list) and isinstance(here, list) and len(recorded) == len(here):
        for index, (one, other) in enumerate(zip(recorded, here, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif isinstance(recorded, list) and isinstance(here, list):
        yield f"{path}: {len(here)} instead of {len(recorded)}"
    elif isinstance(recorded, dict | list) or isinstance(here, dict | list):
        yield f"{path}: {type(here).__name__} instead of {type(recorded).__name__}"
    elif recorded != here:
        yield f"{path}: {here!r} instead of {recorded!r}"
