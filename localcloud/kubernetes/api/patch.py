"""The four ways to patch an object: JSON patch, merge patch, strategic merge, apply.

Nothing here changes its arguments; every function returns a new document.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

Json = Any

MERGE_KEYS: Mapping[str, str] = {
    "conditions": "type",
    "containers": "name",
    "containerStatuses": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "secrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
"""Lists of records that a strategic merge joins by a key; see `merge_key` for two more."""

_MERGED_VALUES = frozenset({"finalizers", "podCIDRs"})
"""Lists of plain values that a strategic merge unites."""


class BadPatch(ValueError):
    """The patch cannot be applied; the message says to what and why."""


# JSON patch (RFC 6902)


def json_patch(document: Json, operations: Sequence[Mapping[str, Any]]) -> Json:
    """Apply add, remove, replace, move, copy and test in order.

    Raises:
        BadPatch: a path that is not there, a failed test, or an unknown operation.
    """
    result = deepcopy(document)
    for operation in operations:
        result = _operate(result, operation)
    return result


def _operate(document: Json, operation: Mapping[str, Any]) -> Json:
    path = _pointer(operation.get("path", ""))
    match operation.get("op"):
        case "add":
            return _add(document, path, deepcopy(operation.get("value")))
        case "remove":
            return _remove(document, path)
        case "replace":
            _read(document, path)
            return _add(_remove(document, path), path, deepcopy(operation.get("value")))
        case "move":
            source = _pointer(operation.get("from", ""))
            value = _read(document, source)
            return _add(_remove(document, source), path, value)
        case "copy":
            source = _pointer(operation["from"])
            return _add(document, path, deepcopy(_read_if_there(document, source)))
        case "test":
            if _read_if_there(document, path) != operation.get("value"):
                raise BadPatch(f"testing value {operation.get('path')} failed: test failed")
            return document
        case other:
            raise BadPatch(f"unexpected kind: {other}")


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise BadPatch(f"{text!r} is not a JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _index(part: str, size: int) -> int:
    if not part.isdigit() or int(part) >= size:
        raise BadPatch(f"unable to access invalid index {part!r}")
    return int(part)


def _read(document: Json, path: Sequence[str]) -> Json:
    for part in path:
        if isinstance(document, list):
            document = document[_index(part, len(document))]
        elif isinstance(document, dict) and part in document:
            document = document[part]
        else:
            raise BadPatch(f"missing path: /{'/'.join(path)}")
    return document


def _read_if_there(document: Json, path: Sequence[str]) -> Json:
    """Read a value; as upstream, what is not there is null to some operations."""
    try:
        return _read(document, path)
    except BadPatch:
        return None


def _add(document: Json, path: Sequence[str], value: Json) -> Json:
    if not path:
        return value
    parent, last = _read(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(last, len(parent) + 1), value)
    elif isinstance(parent, dict):
        parent[last] = value
    else:
        raise BadPatch(f"missing path: /{'/'.join(path)}")
    return document


def _remove(document: Json, path: Sequence[str]) -> Json:
    if not path:
        return None
    _read(document, path)
    parent, last = _read(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        del parent[_index(last, len(parent))]
    else:
        del parent[last]
    return document


# Merge patch (RFC 7386)


def merge_patch(document: Json, patch: Json) -> Json:
    """Merge objects, replace all else; null takes away."""
    if not isinstance(patch, dict):
        return deepcopy(patch)
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


# Strategic merge and apply


def strategic_merge(document: Json, patch: Json) -> Json:
    """Merge as `kubectl` means it: the known lists are joined by their keys.

    `$patch: delete | replace | merge`, `$retainKeys`, `$setElementOrder/…` and
    `$deleteFromPrimitiveList/…` are understood.

    Raises:
        BadPatch: an unknown `$patch`, or a list element without its merge key.
    """
    return _merge(document, patch, "", nulls_remove=True)


def apply_patch(document: Json, wanted: Json) -> Json:
    """Merge a server-side apply: as strategic, but nothing is taken away.

    Who owns a field is not kept, so what an applier gives up stays.
    """
    return _merge(document, wanted, "", nulls_remove=False)


def _merge(document: Json, patch: Json, field: str, *, nulls_remove: bool) -> Json:
    if isinstance(patch, dict):
        return _merge_object(document, patch, field, nulls_remove=nulls_remove)
    if isinstance(patch, list):
        return _merge_list(document, patch, field, nulls_remove=nulls_remove)
    return patch


def _merge_object(
    document: Json, patch: Mapping[str, Any], field: str, *, nulls_remove: bool
) -> dict[str, Any]:
    base = document if isinstance(document, dict) else {}
    match patch.get("$patch"):
        case "replace":
            return {key: deepcopy(value) for key, value in patch.items() if key != "$patch"}
        case "delete":
            return {}
        case None | "merge":
            pass
        case other:
            raise BadPatch(f"unknown patch type: {other}")
    retained = patch.get("$retainKeys")
    result = {k: v for k, v in base.items() if retained is None or k in retained}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            result[name] = [item for item in result.get(name, []) if item not in value]
        elif key.startswith("$"):
            continue
        elif value is None:
            if nulls_remove:
                result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value, key, nulls_remove=nulls_remove)
    for key, order in patch.items():
        if key.startswith("$setElementOrder/"):
            name = key.partition("/")[2]
            result[name] = _in_order(result.get(name) or [], order, base.get(name) or [], name)
    return result


def _merge_list(
    document: Json, patch: Sequence[Any], field: str, *, nulls_remove: bool
) -> list[Any]:
    base: list[Any] = document if isinstance(document, list) else []
    if field in _MERGED_VALUES:
        return [*base, *(item for item in patch if item not in base)]
    key = merge_key(field, [*base, *patch])
    if key is None or any(isinstance(i, dict) and i.get("$patch") == "replace" for i in patch):
        return [
            _merge(None, item, "", nulls_remove=nulls_remove)
            for item in patch
            if not (isinstance(item, dict) and item.keys() == {"$patch"})
        ]
    result = list(base)
    for item in patch:
        _merge_item(result, item, key, nulls_remove=nulls_remove)
    return _in_order(result, patch, base, field)


def _merge_item(
    result: list[Any], item: Mapping[str, Any], key: str, *, nulls_remove: bool
) -> None:
    if not isinstance(item, dict) or key not in item:
        raise BadPatch(f"map: {item} does not contain declared merge key: {key}")
    same = [i for i, old in enumerate(result) if old.get(key) == item[key]]
    if item.get("$patch") == "delete":
        result[:] = [old for old in result if old.get(key) != item[key]]
    elif same:
        result[same[0]] = _merge(result[same[0]], item, "", nulls_remove=nulls_remove)
    else:
        result.append(_merge(None, item, "", nulls_remove=nulls_remove))


def merge_key(field: str, items: Sequence[Any]) -> str | None:
    """The key that joins the records of a list, or None where the list is replaced whole."""
    if field == "addresses":  # of a node; those of endpoints are replaced
        return "type" if any(isinstance(item, dict) and "type" in item for item in items) else None
    if field == "ports":  # of a container, of a Service; those of endpoints are replaced
        if any(isinstance(item, dict) and "containerPort" in item for item in items):
            return "containerPort"
        if any(isinstance(item, dict) and "port" in item for item in items):
            return "port"
        return None
    return MERGE_KEYS.get(field)


def _in_order(
    items: list[Any], order: Sequence[Any], before: Sequence[Any], field: str
) -> list[Any]:
    """Order a merged list: the patch's elements as it names them, each other one before those
    that it preceded in the document."""
    key = merge_key(field, [*items, *order])

    def identity(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    wanted, known = [identity(item) for item in order], [identity(item) for item in before]

    def place(item: Any, unknown: int) -> int:
        return known.index(identity(item)) if identity(item) in known else unknown

    rest = [item for item in items if identity(item) not in wanted]
    named = [item for item in items if identity(item) in wanted]
    named.sort(key=lambda item: wanted.index(identity(item)))
    ordered: list[Any] = []
    for item in named:
        while rest and place(rest[0], len(known)) < place(item, 0):
            ordered.append(rest.pop(0))
        ordered.append(item)
    return ordered + rest
