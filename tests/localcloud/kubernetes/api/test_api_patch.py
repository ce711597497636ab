"""The four patches, as pure functions."""

import copy

import pytest

from localcloud.kubernetes.api.patch import (
    BadPatch,
    apply_patch,
    json_patch,
    merge_patch,
    strategic_merge,
)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "add", "path": "/a/c", "value": 2}, {"a": {"b": 1, "c": 2}, "l": [1, 2]}),
        ({"op": "add", "path": "/l/-", "value": 3}, {"a": {"b": 1}, "l": [1, 2, 3]}),
        ({"op": "add", "path": "/l/0", "value": 0}, {"a": {"b": 1}, "l": [0, 1, 2]}),
        ({"op": "replace", "path": "/a/b", "value": 5}, {"a": {"b": 5}, "l": [1, 2]}),
        ({"op": "remove", "path": "/l/1"}, {"a": {"b": 1}, "l": [1]}),
        ({"op": "move", "from": "/a/b", "path": "/m"}, {"a": {}, "l": [1, 2], "m": 1}),
        ({"op": "copy", "from": "/l", "path": "/n"}, {"a": {"b": 1}, "l": [1, 2], "n": [1, 2]}),
        ({"op": "add", "path": "/x~1y~0z", "value": 1}, {"a": {"b": 1}, "l": [1, 2], "x/y~z": 1}),
    ],
    ids=["add", "append", "insert", "replace", "remove", "move", "copy", "escaped"],
)
def test_json_patch_operations(operation, expected):
    document = {"a": {"b": 1}, "l": [1, 2]}
    before = copy.deepcopy(document)
    assert json_patch(document, [operation]) == expected
    assert document == before


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/missing", "value": 1},
        {"op": "remove", "path": "/l/7"},
        {"op": "test", "path": "/a", "value": 2},
        {"op": "sing", "path": "/a"},
        {"op": "add", "path": "a", "value": 1},
    ],
    ids=["missing", "index", "test", "unknown", "pointer"],
)
def test_json_patch_refuses_what_does_not_fit(operation):
    with pytest.raises(BadPatch):
        json_patch({"a": 1, "l": [1]}, [operation])


def test_merge_patch_merges_objects_and_replaces_lists():
    document = {"a": {"b": 1, "c": 2}, "l": [1]}
    assert merge_patch(document, {"a": {"b": None, "d": 3}, "l": [9]}) == {
        "a": {"c": 2, "d": 3},
        "l": [9],
    }


def test_strategic_merge_joins_known_lists_by_their_keys():
    pod = {"spec": {"containers": [{"name": "a", "image": "x", "tty": True}, {"name": "b"}]}}
    patch = {"spec": {"containers": [{"name": "a", "image": "y"}, {"name": "c"}]}}
    assert strategic_merge(pod, patch)["spec"]["containers"] == [
        {"name": "a", "image": "y", "tty": True},
        {"name": "c"},  # as upstream, what a patch names goes before what it is silent about
        {"name": "b"},
    ]


def test_strategic_merge_obeys_its_directives():
    conditions = [{"type": "A", "status": "True"}, {"type": "B", "status": "True"}]
    document = {
        "conditions": conditions,
        "finalizers": ["x", "y"],
        "strategy": {"type": "R", "r": 1},
    }
    gone = {"conditions": [{"type": "A", "$patch": "delete"}]}
    assert strategic_merge(document, gone)["conditions"] == conditions[1:]
    replaced = {"conditions": [{"$patch": "replace"}, {"type": "C"}]}
    assert strategic_merge(document, replaced)["conditions"] == [{"type": "C"}]
    dropped = {"$deleteFromPrimitiveList/finalizers": ["x"]}
    assert strategic_merge(document, dropped)["finalizers"] == ["y"]
    assert strategic_merge(document, {"finalizers": ["z", "x"]})["finalizers"] == ["x", "y", "z"]
    retained = {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}
    assert strategic_merge(document, retained)["strategy"] == {"type": "Recreate"}
    added = {"$setElementOrder/conditions": [{"type": "B"}], "conditions": [{"type": "C"}]}
    assert {c["type"] for c in strategic_merge(document, added)["conditions"]} == {"A", "B", "C"}
    ordered = {"$setElementOrder/conditions": [{"type": "B"}, {"type": "A"}]}
    assert [c["type"] for c in strategic_merge(document, ordered)["conditions"]] == ["B", "A"]
    with pytest.raises(BadPatch):
        strategic_merge(document, {"strategy": {"$patch": "sing"}})


def test_strategic_merge_replaces_unknown_lists_and_drops_nulls():
    node = {"spec": {"taints": [{"key": "a"}], "unschedulable": True}}
    patch = {"spec": {"taints": [{"key": "b"}], "unschedulable": None}}
    assert strategic_merge(node, patch) == {"spec": {"taints": [{"key": "b"}]}}


def test_ports_are_joined_by_the_key_of_where_they_stand():
    service = {"ports": [{"port": 80, "nodePort": 30080}]}
    patch = {"ports": [{"port": 80, "targetPort": 8080}]}
    assert strategic_merge(service, patch) == {
        "ports": [{"port": 80, "nodePort": 30080, "targetPort": 8080}]
    }
    container = {"ports": [{"containerPort": 80}]}
    added = strategic_merge(container, {"ports": [{"containerPort": 443}]})
    assert added == {"ports": [{"containerPort": 443}, {"containerPort": 80}]}


def test_apply_takes_nothing_away():
    document = {"data": {"a": "1", "b": "2"}}
    assert apply_patch(document, {"data": {"a": "3", "b": None}}) == {"data": {"a": "3", "b": "2"}}
