"""Query options of lists and watches: accepted and refused ones."""

import gc

import pytest

from localcloud.kubernetes.objects.watching import Watch

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
FORBIDDEN = 'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: '
INITIAL = "watch=true&sendInitialEvents=true"
MATCHED = f"{INITIAL}&resourceVersionMatch=NotOlderThan"


@pytest.fixture
def read(send):
    """Reads the ConfigMaps of a namespace that has three, with a query."""
    for name in "abc":
        send("POST", CONFIG_MAPS, {"metadata": {"name": name, "labels": {"l": "1"}}})
    return lambda query: send("GET", CONFIG_MAPS, query=query)


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("limit=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("continue=abc", 400, "invalid continue token: continue key is not valid: "),
        (
            "continue=abc&resourceVersion=1",
            400,
            "specifying resource version is not allowed when using continue",
        ),
        (
            "resourceVersion=abc",
            400,
            'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: '
            'parsing "abc": invalid syntax',
        ),
        ("resourceVersion=%C2%B2", 400, "invalid resource version: resourceVersion: "),
        ("watch=true&resourceVersion=%C2%B2", 500, "resourceVersion: Invalid value: "),
        ("resourceVersion=999999", 504, "Timeout: Too large resource version: 999999, current: "),
        (
            "resourceVersionMatch=Exact",
            422,
            f"{FORBIDDEN}resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (
            "resourceVersionMatch=Exact&resourceVersion=0",
            422,
            f'{FORBIDDEN}resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        ),
        (
            "resourceVersionMatch=Exact&resourceVersion=1",
            410,
            "The resourceVersion for the provided list is too old.",
        ),
        (
            "resourceVersionMatch=Nope&resourceVersion=1",
            422,
            'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Unsupported value: '
            '"Nope": supported values: "Exact", "NotOlderThan", ""',
        ),
        (
            "fieldSelector=spec.nope%3D1",
            400,
            '"spec.nope" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        (
            INITIAL,
            422,
            f"{FORBIDDEN}sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        (
            "watch=true&resourceVersionMatch=Exact&resourceVersion=5",
            422,
            'ListOptions.meta.k8s.io "" is invalid: [resourceVersionMatch: Forbidden: '
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided, "
            'resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"]',
        ),
    ],
)
def test_invalid_options_are_refused(read, query, status, message):
    answer = read(query)
    assert answer.status == status
    assert answer.content()["message"].startswith(message)


@pytest.mark.parametrize("query", ["limit=-1", "limit=0", "limit=2&resourceVersion=0"])
def test_a_list_without_a_limit_is_complete(read, query):
    assert len(read(f"labelSelector=l&{query}").content()["items"]) == 3


def test_a_limited_list_continues_where_it_ended(read):
    first = read("labelSelector=l&limit=2").content()
    rest = read(f"labelSelector=l&limit=2&continue={first['metadata']['continue']}").content()
    names = [one["metadata"]["name"] for one in first["items"] + rest["items"]]
    assert names == ["a", "b", "c"]
    assert "continue" not in rest["metadata"]


@pytest.mark.parametrize(("bookmarks", "last"), [("", "ADDED"), ("true", "BOOKMARK")])
def test_the_end_of_initial_objects_is_reported_by_a_bookmark(read, bookmarks, last):
    events = read(f"labelSelector=l&{MATCHED}&allowWatchBookmarks={bookmarks}").content()
    assert [event["type"] for event in events[:3]] == ["ADDED"] * 3
    assert events[-1]["type"] == last


def test_a_watch_may_omit_existing_objects(read):
    query = f"{MATCHED.replace('true&res', 'false&res')}&timeoutSeconds=1"
    assert read(f"labelSelector=l&{query}").content() is None


def count_watches():
    gc.collect()
    return sum(isinstance(one, Watch) for one in gc.get_objects())


def test_a_refused_watch_leaves_nothing_behind(read):
    before = count_watches()
    assert read("watch=true&timeoutSeconds=x").status == 400
    assert count_watches() == before
