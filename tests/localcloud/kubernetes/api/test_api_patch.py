"""The four patches, as pure functions."""

import copy

import pytest
from hypothesis import given
from hypothesis.strategies import data, fixed_dictionaries, lists, sampled_from

from localcloud.kubernetes.api.patch import (
    BadPatch,
    apply_patch,
    json_patch,
    merge_patch,
    strategic_merge,
)
from localcloud.kubernetes.objects.schema import record, records


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


POD, NODE, SERVICE = record("core.v1.Pod"), record("core.v1.Node"), record("core.v1.Service")
DEPLOYMENT = record("apps.v1.Deployment")


def test_strategic_merge_joins_known_lists_by_their_keys():
    pod = {"spec": {"containers": [{"name": "a", "image": "x", "tty": True}, {"name": "b"}]}}
    patch = {"spec": {"containers": [{"name": "a", "image": "y"}, {"name": "c"}]}}
    assert strategic_merge(POD, pod, patch)["spec"]["containers"] == [
        {"name": "a", "image": "y", "tty": True},
        {"name": "c"},  # as upstream, items of the patch precede others
        {"name": "b"},
    ]


@pytest.mark.parametrize(
    ("patch", "conditions"),
    [
        ([{"type": "A", "$patch": "delete"}], [{"type": "B", "status": "True"}]),
        ([{"$patch": "replace"}, {"type": "C"}], [{"type": "C"}]),
    ],
    ids=["delete", "replace"],
)
def test_strategic_merge_obeys_the_directives_of_a_list(patch, conditions):
    before = [{"type": "A", "status": "True"}, {"type": "B", "status": "True"}]
    document = {"status": {"conditions": before}}
    merged = strategic_merge(NODE, document, {"status": {"conditions": patch}})
    assert merged["status"]["conditions"] == conditions


def test_strategic_merge_obeys_the_order_that_a_patch_gives():
    document = {"status": {"conditions": [{"type": "A"}, {"type": "B"}]}}
    ordered = {"status": {"$setElementOrder/conditions": [{"type": "B"}, {"type": "A"}]}}
    merged = strategic_merge(NODE, document, ordered)["status"]["conditions"]
    assert merged == [{"type": "B"}, {"type": "A"}]


def test_strategic_merge_obeys_the_directives_of_plain_lists_and_objects():
    document = {
        "metadata": {"finalizers": ["x", "y"]},
        "spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}},
    }
    dropped = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}}
    assert strategic_merge(DEPLOYMENT, document, dropped)["metadata"]["finalizers"] == ["y"]
    united = {"metadata": {"finalizers": ["z", "x"]}}
    merged = strategic_merge(DEPLOYMENT, document, united)
    assert merged["metadata"]["finalizers"] == ["x", "y", "z"]
    retained = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    merged = strategic_merge(DEPLOYMENT, document, retained)
    assert merged["spec"]["strategy"] == {"type": "Recreate"}
    with pytest.raises(BadPatch):
        strategic_merge(DEPLOYMENT, document, {"spec": {"strategy": {"$patch": "sing"}}})


def test_strategic_merge_replaces_other_lists_and_drops_nulls():
    node = {"spec": {"taints": [{"key": "a"}], "unschedulable": True}}
    patch = {"spec": {"taints": [{"key": "b"}], "unschedulable": None}}
    assert strategic_merge(NODE, node, patch) == {"spec": {"taints": [{"key": "b"}]}}


def test_a_list_element_without_its_merge_key_is_refused():
    with pytest.raises(BadPatch, match="does not contain declared merge key: name"):
        strategic_merge(POD, {}, {"spec": {"containers": [{"image": "x"}]}})


def test_ports_are_joined_by_the_key_of_their_list():
    service = {"spec": {"ports": [{"port": 80, "nodePort": 30080}]}}
    patch = {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}
    assert strategic_merge(SERVICE, service, patch) == {
        "spec": {"ports": [{"port": 80, "nodePort": 30080, "targetPort": 8080}]}
    }
    container = {"ports": [{"containerPort": 80}]}
    added = strategic_merge(
        record("core.v1.Container"), container, {"ports": [{"containerPort": 443}]}
    )
    assert added == {"ports": [{"containerPort": 443}, {"containerPort": 80}]}


LISTS = sorted(
    (name, field)
    for name in records()
    for field, found in record(name).fields.items()
    if found.container == "list"
)


def _text(item):
    """One text for equal items, in whatever order their fields came."""
    return str(sorted(item.items()) if isinstance(item, dict) else item)


@given(place=sampled_from(LISTS), data=data())
def test_every_list_of_the_table_is_merged_as_the_table_says(place, data):
    of = record(place[0])
    field = of.fields[place[1]]
    keys = (field.merge_key or "x",)
    items = lists(fixed_dictionaries({key: sampled_from("abc") for key in keys}), unique_by=_text)
    if not field.is_record:
        items = lists(sampled_from("abc"), unique=True)
    before, patch = data.draw(items), data.draw(items)
    merged = strategic_merge(of, {place[1]: before}, {place[1]: patch})[place[1]]
    joined = "merge" in field.strategy.split(",")
    assert merged[: len(patch)] == patch or joined
    expected = [*patch, *(item for item in before if joined and item not in patch)]
    assert sorted(merged, key=_text) == sorted(expected, key=_text)


@given(place=sampled_from(LISTS), data=data())
def test_every_list_of_the_table_is_applied_as_the_table_says(place, data):
    of = record(place[0])
    field = of.fields[place[1]]
    plain = lists(sampled_from("abc"), unique=True)
    words = fixed_dictionaries({key: sampled_from("abc") for key in field.list_keys or ("x",)})
    items = lists(words, unique_by=_text) if field.is_record else plain
    before, wanted = data.draw(items), data.draw(items)
    applied = apply_patch(of, {place[1]: before}, {place[1]: wanted})[place[1]]
    joined = field.list_type in ("map", "set")
    expected = [*wanted, *(item for item in before if joined and item not in wanted)]
    assert sorted(applied, key=_text) == sorted(expected, key=_text)


def test_apply_joins_ports_by_number_and_protocol_of_which_tcp_is_the_default():
    ports = [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP", "name": "udp"}]
    wanted = [{"port": 53, "name": "tcp"}]
    applied = apply_patch(SERVICE, {"spec": {"ports": ports}}, {"spec": {"ports": wanted}})
    assert applied["spec"]["ports"] == [{**ports[0], "name": "tcp"}, ports[1]]


def test_apply_replaces_what_is_atomic():
    deployment = {"spec": {"selector": {"matchLabels": {"a": "1"}}}}
    wanted = {"spec": {"selector": {"matchLabels": {"b": "2"}}}}
    assert apply_patch(DEPLOYMENT, deployment, wanted) == wanted
    assert strategic_merge(DEPLOYMENT, deployment, wanted) == {
        "spec": {"selector": {"matchLabels": {"a": "1", "b": "2"}}}
    }


def test_apply_removes_nothing():
    document, of = {"data": {"a": "1", "b": "2"}}, record("core.v1.ConfigMap")
    assert apply_patch(of, document, {"data": {"a": "3", "b": None}}) == {
        "data": {"a": "3", "b": "2"}
    }
