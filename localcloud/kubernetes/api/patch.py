"""The four ways to patch an object: JSON patch, merge patch, strategic merge, apply.

Nothing here changes its arguments; every function returns a new document.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from typing import Any

from jsonpatch import JsonPatch, JsonPatchException
from jsonpointer import JsonPointer, JsonPointerException

from localcloud.kubernetes.objects.schema import Field, Record, record

Json = Any

_KEY_DEFAULTS = {"protocol": "TCP"}
"""The default values of absent list keys in an apply."""


class BadPatch(ValueError):
    """The patch cannot be applied; the message has the place and the reason."""


# JSON patch (RFC 6902)


def json_patch(document: Json, operations: Sequence[Mapping[str, Any]]) -> Json:
    """Apply add, remove, replace, move, copy and test in order.

    As on the real server, copy and test read a missing value as null.

    Raises:
        BadPatch: a missing path, a failed test, or an unknown operation.
    """
    result = deepcopy(document)
    try:
        for operation in operations:
            match operation:
                case {"op": "test", "path": path}:
                    if JsonPointer(path).resolve(result, None) != operation.get("value"):
                        raise BadPatch(f"testing value {path} failed: test failed")
                case {"op": "copy", "path": path, "from": source}:
                    value = deepcopy(JsonPointer(source).resolve(result, None))
                    result = _operate(result, {"op": "add", "path": path, "value": value})
                case _:
                    result = _operate(result, operation)
    except (JsonPatchException, JsonPointerException) as error:
        raise BadPatch(str(error)) from error
    return result


def _operate(document: Json, operation: Mapping[str, Any]) -> Json:
    return JsonPatch([operation]).apply(document, in_place=True)


# Merge patch (RFC 7386)


def merge_patch(document: Json, patch: Json) -> Json:
    """Merge objects, replace other values; null removes."""
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


class _Rules:
    """How a field or a record is merged. Built once for each place in the table.

    Attributes:
        keys: the merge keys of this list of records; empty where it is not merged by keys.
        unites: whether this list of plain values is merged as a set.
        replaces: whether this object is replaced as a whole.
        item: the rules for one item of this list.
    """

    def __init__(self, of: Record | None, field: Field | None, *, is_apply: bool) -> None:
        self._of = of
        self._below: dict[str, _Rules] = {}
        self.is_apply = is_apply
        self.keys: tuple[str, ...] = ()
        self.unites = self.replaces = False
        self.item = _Rules(of, None, is_apply=is_apply) if field else self
        if is_apply:
            self.replaces = "atomic" in (field and field.map_type, of and of.map_type)
            self.keys = field.list_keys if field else ()
            self.unites = field is not None and field.list_type == "set"
        elif field is not None:
            joins = "merge" in field.strategy.split(",")
            self.replaces = field.strategy == "replace"
            self.keys = (field.merge_key,) if joins and field.merge_key else ()
            self.unites = joins and not self.keys

    def below(self, name: str) -> "_Rules":
        """Return the rules for a field of this record; empty rules for an unknown one."""
        if name not in self._below:
            field = self._of.fields.get(name) if self._of else None
            if field is None:
                return _NO_RULES[self.is_apply]
            of = record(field.type) if field.is_record else None
            self._below[name] = _Rules(of, field, is_apply=self.is_apply)
        return self._below[name]

    def identity(self, item: Any) -> Any:
        """Return the key values of an item of this list."""
        if self.keys and isinstance(item, dict):
            return [item.get(key, _KEY_DEFAULTS.get(key)) for key in self.keys]
        return item


_NO_RULES = [_Rules(None, None, is_apply=is_apply) for is_apply in (False, True)]


@cache
def _rules(record_name: str, *, is_apply: bool) -> _Rules:
    return _Rules(record(record_name), None, is_apply=is_apply)


def strategic_merge(of: Record, document: Json, patch: Json) -> Json:
    """Apply a strategic merge patch: lists are merged by the keys of the record's fields.

    `$patch: delete | replace | merge`, `$retainKeys`, `$setElementOrder/…` and
    `$deleteFromPrimitiveList/…` are understood.

    Raises:
        BadPatch: an unknown `$patch`, or a list element without its merge key.
    """
    return _merge(document, patch, _rules(of.name, is_apply=False))


def apply_patch(of: Record, document: Json, wanted: Json) -> Json:
    """Merge a server-side apply: nothing is removed, and lists have their own keys.

    Field owners are not stored, so fields that left the manifest stay.

    Raises:
        BadPatch: a list element without its keys.
    """
    return _merge(document, wanted, _rules(of.name, is_apply=True))


def _merge(document: Json, patch: Json, rules: _Rules) -> Json:
    if isinstance(patch, dict):
        return _merge_object(document, patch, rules)
    if isinstance(patch, list):
        return _merge_list(document, patch, rules)
    return patch


def _merge_object(document: Json, patch: Mapping[str, Any], rules: _Rules) -> dict[str, Any]:
    base = document if isinstance(document, dict) and not rules.replaces else {}
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
        elif value is not None:
            result[key] = _merge(result.get(key), value, rules.below(key))
        elif not rules.is_apply:
            result.pop(key, None)
    for key, order in patch.items():
        if key.startswith("$setElementOrder/"):
            name = key.partition("/")[2]
            items, before = result.get(name) or [], base.get(name) or []
            result[name] = _in_order(items, order, before, rules.below(name))
    return result


def _merge_list(document: Json, patch: Sequence[Any], rules: _Rules) -> list[Any]:
    base: list[Any] = document if isinstance(document, list) else []
    if rules.unites:
        return [*base, *(item for item in patch if item not in base)]
    if not rules.keys or any(isinstance(i, dict) and i.get("$patch") == "replace" for i in patch):
        return [
            _merge(None, item, rules.item)
            for item in patch
            if not (isinstance(item, dict) and item.keys() == {"$patch"})
        ]
    result = list(base)
    for item in patch:
        _merge_item(result, item, rules)
    return _in_order(result, patch, base, rules)


def _merge_item(result: list[Any], item: Mapping[str, Any], rules: _Rules) -> None:
    for key in rules.keys:
        if not isinstance(item, dict) or (key not in item and key not in _KEY_DEFAULTS):
            raise BadPatch(f"map: {item} does not contain declared merge key: {key}")
    wanted = rules.identity(item)
    same = [place for place, old in enumerate(result) if rules.identity(old) == wanted]
    if item.get("$patch") == "delete":
        result[:] = [old for old in result if rules.identity(old) != wanted]
    elif same:
        result[same[0]] = _merge(result[same[0]], item, rules.item)
    else:
        result.append(_merge(None, item, rules.item))


def _in_order(
    items: list[Any], order: Sequence[Any], before: Sequence[Any], rules: _Rules
) -> list[Any]:
    """Order a merged list: the patch's elements in its order, each other one before those that
    it preceded in the document."""
    identity = rules.identity
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
