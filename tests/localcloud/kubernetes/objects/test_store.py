"""The store, its history, watches and pages."""

import asyncio

import pytest

from localcloud.kubernetes.api.paging import open_token, page
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import CONFIG_MAP, POD
from localcloud.kubernetes.objects.store import Store, TooOld
from localcloud.kubernetes.objects.watching import Selection, Watch


def put(store, name, namespace="default", node="", **labels):
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return store.put(POD, {"metadata": metadata, "spec": {"nodeName": node}})


def names(found):
    return [stored.body["metadata"]["name"] for stored in found]


def test_objects_are_ordered_by_namespace_and_name():
    store = Store()
    for namespace, name in (("b", "1"), ("a", "2"), ("a", "1")):
        put(store, name, namespace)
    assert [s.body["metadata"]["namespace"] for s in store.select(POD)] == ["a", "a", "b"]
    assert names(store.select(POD, "a")) == ["1", "2"]


def test_pods_are_found_by_their_node_also_after_they_were_bound_and_deleted():
    store = Store()
    put(store, "one")
    bound = put(store, "one", node="n")
    put(store, "two", node="m")
    assert names(store.select(POD, node="n")) == ["one"]
    assert store.select(POD, node="") == []
    store.remove(POD, bound)
    assert store.select(POD, node="n") == []


def test_every_write_has_its_own_version_and_copies_can_be_changed():
    store = Store()
    first, second = put(store, "one"), put(store, "one")
    assert int(second.body["metadata"]["resourceVersion"]) == first.version + 1
    second.copy()["metadata"]["name"] = "changed"
    assert names(store.select(POD)) == ["one"]


def test_a_watch_reports_objects_that_enter_and_leave_its_selection():
    async def scenario():
        store = Store()
        watch = Watch(store, Selection(POD, fields="spec.nodeName=n"))
        put(store, "one")
        put(store, "one", node="n")
        put(store, "one", node="n", touched="yes")
        put(store, "one", node="m")
        last = put(store, "two", node="n")
        store.remove(POD, last)
        watch.close()
        events = []
        while event := await watch.next():
            events.append((event.type.value, event.object.body["metadata"]["resourceVersion"]))
        return events

    assert asyncio.run(scenario()) == [
        ("ADDED", "2"),
        ("MODIFIED", "3"),
        ("DELETED", "4"),
        ("ADDED", "5"),
        ("DELETED", "6"),
    ]


def test_a_watch_replays_what_happened_since_a_version():
    store = Store()
    first = put(store, "one")
    put(store, "two")
    watch = Watch(store, Selection(POD))
    watch.replay(first.version)
    event = watch.take()
    assert event is not None
    assert names([event.object]) == ["two"]
    assert watch.take() is None


def test_dropped_history_is_too_old():
    store = Store(history=3)
    for number in range(5):
        put(store, str(number))
    assert len(store.since(POD, 2)) == 3
    with pytest.raises(TooOld):
        store.since(POD, 1)
    assert store.since(CONFIG_MAP, 0) == []


def test_pages_join_to_the_whole_list_while_objects_come_and_go():
    store = Store()
    stored = {name: put(store, name) for name in "bdfh"}
    first = page(store, Selection(POD), 2, None)
    assert (names(first.items), first.remaining) == (["b", "d"], 2)
    put(store, "a")
    put(store, "e")
    store.remove(POD, stored["f"])
    rest = page(store, Selection(POD), 5, open_token(first.token))
    assert (names(rest.items), rest.token) == (["e", "h"], "")


@pytest.mark.parametrize("token", ["xxx", "e30", "bnVsbA", "\N{SNOWMAN}"])
def test_foreign_continue_tokens_are_refused(token):
    with pytest.raises(ApiFailure) as caught:
        open_token(token)
    assert caught.value.status == 400
