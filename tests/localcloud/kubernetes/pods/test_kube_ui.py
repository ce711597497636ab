"""kube-ui's pages: what they say of the objects that the API answers, in both languages."""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from localcloud.kubernetes.pods import kube_ui
from localcloud.kubernetes.pods.http import Reply, Request
from localcloud.kubernetes.pods.kube_ui.html import MOST_ROWS
from localcloud.kubernetes.pods.kube_ui.words import CHINESE

pytestmark = pytest.mark.pure


def meta(name: str, namespace: str = "", **more: Any) -> dict[str, Any]:
    made = (datetime.now(UTC) - timedelta(minutes=3)).isoformat()
    place = {"namespace": namespace} if namespace else {}
    return {"name": name, "creationTimestamp": made, **place, **more}


def pod(name: str, node: str = "node-1", phase: str = "Running", **status: Any) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": meta(name, "default", labels={"app": name.partition("-")[0]}),
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "nginx"}]},
        "status": {"phase": phase, **status},
    }


def node(name: str, ready: str = "True", **spec: Any) -> dict[str, Any]:
    return {
        "kind": "Node",
        "metadata": meta(name, labels={"node-role.kubernetes.io/worker": ""}),
        "spec": spec,
        "status": {
            "allocatable": {"pods": "42"},
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


def event(about: Mapping[str, Any], message: str) -> dict[str, Any]:
    kind, name = about["kind"], about["metadata"]["name"]
    return {
        "metadata": meta("e", "default"),
        "involvedObject": {"kind": kind, "name": name, "namespace": "default"},
        "type": "Warning",
        "reason": "Failed",
        "message": message,
    }


class Api:
    """An API that has some lists, and refuses others."""

    def __init__(self, **lists: list[dict[str, Any]]) -> None:
        self.lists, self.refused = lists, set[str]()

    async def read(self, path: str, token: str) -> tuple[int, Any]:
        if token != "known":
            return 401, {"message": "Unauthorized"}
        if path in self.refused:
            return 403, {"message": "services is forbidden: <nobody>"}
        *_, plural, name = path.split("/")
        if plural in self.lists:
            found = [one for one in self.lists[plural] if one["metadata"]["name"] == name]
            return (200, found[0]) if found else (404, {"message": f"{name} not found"})
        return 200, {"items": self.lists.get(name, [])}

    def get(self, path: str, language: str = "", token: str = "known") -> Reply:
        path, _, query = path.partition("?")
        headers = {"cookie": f"{kube_ui.COOKIE}={token}", "accept-language": language}
        return asyncio.run(kube_ui.answer({}, Request("GET", path, query, headers), self.read))

    def page(self, path: str, language: str = "") -> str:
        reply = self.get(path, language)
        assert reply.status == 200
        return reply.body.decode()


def texts(page: str) -> list[str]:
    """The rows of a page's tables, without markup."""
    rows = re.findall(r"<tr>(.*?)</tr>", page)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]


def test_nodes_show_their_pods_of_the_capacity_and_their_state() -> None:
    pods = [pod("a"), pod("b"), pod("done", phase="Succeeded")]
    nodes = [node("node-1"), node("node-2", unschedulable=True), node("node-3", ready="Unknown")]
    rows = texts(Api(nodes=nodes, pods=pods).page("/"))
    assert "node-1 Ready worker 2 of 42 2 of 42 3m" in rows
    assert "node-2 Ready, SchedulingDisabled worker 0 of 42 0 of 42 3m" in rows
    assert "node-3 NotReady worker 0 of 42 0 of 42 3m" in rows


def test_a_pod_says_why_it_does_not_run() -> None:
    waiting = [{"state": {"waiting": {"reason": "ImagePullBackOff"}}, "restartCount": 2}]
    rows = texts(Api(pods=[pod("a", containerStatuses=waiting)]).page("/pods"))
    assert "default a 0/1 ImagePullBackOff 2 node-1 3m" in rows


def test_a_search_and_a_namespace_choose_rows_without_javascript() -> None:
    other = pod("c") | {"metadata": meta("c", "team-a")}
    api = Api(pods=[pod("a-1"), pod("b-1"), other], namespaces=[{"metadata": meta("team-a")}])
    assert len(texts(api.page("/pods"))) == 4
    assert [row.split()[1] for row in texts(api.page("/pods?q=B-1+run"))[1:]] == ["b-1"]
    page = api.page("/pods?namespace=team-a")
    assert [row.split()[1] for row in texts(page)[1:]] == ["c"]
    assert '<option value="team-a" selected>' in page


def test_an_object_shows_its_pods_and_its_events_and_leads_on() -> None:
    controller = {
        "kind": "ReplicationController",
        "metadata": meta("web", "default", managedFields=["long"]),
        "spec": {
            "replicas": 3,
            "selector": {"app": "web"},
            "template": {"spec": {"containers": []}},
        },
        "status": {"readyReplicas": 1},
    }
    api = Api(
        replicationcontrollers=[controller],
        pods=[pod("web-1"), pod("other-1")],
        events=[event(controller, "no room"), event(pod("other-1"), "elsewhere")],
        nodes=[node("node-1")],
    )
    page = api.page("/object/replicationcontrollers/default/web")
    assert "1/3" in page
    assert 'href="/object/pods/default/web-1"' in page
    assert 'href="/object/nodes/-/node-1"' in page
    assert "other-1" not in page
    assert "no room" in page
    assert "managedFields" not in page
    assert "web-1" in api.page("/object/nodes/-/node-1")


def test_what_the_api_refuses_is_shown_as_refused_and_escaped() -> None:
    api = Api(pods=[pod("a")])
    api.refused.add("/api/v1/services")
    page = api.page("/services")
    assert "The API answers 403: services is forbidden: &lt;nobody&gt;" in page
    evil = event(pod("a"), "<script>alert(1)</script>")
    assert "<script>alert" not in Api(events=[evil]).page("/events")


def test_a_token_that_is_not_known_any_more_leads_to_the_form() -> None:
    reply = Api().get("/pods", token="old")
    assert reply.status == 401
    assert "does not accept this token any more" in reply.body.decode()
    assert "Log in to the cluster" in Api().get("/pods", token="").body.decode()


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nowhere", 404), ("/object/secrets/default/a", 404), ("/object/pods", 404)],
)
def test_other_paths_are_not_found(path: str, status: int) -> None:
    assert Api().get(path).status == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
def test_nothing_can_be_changed(method: str) -> None:
    request = Request(method, "/pods", headers={"cookie": f"{kube_ui.COOKIE}=known"})
    assert asyncio.run(kube_ui.answer({}, request, Api().read)).status == 405


def test_the_page_needs_nothing_from_elsewhere_and_runs_no_foreign_script() -> None:
    reply = Api().get("/")
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert not re.findall(r"(?:src|href)=\"https?:", reply.body.decode())
    for path in re.findall(r"(?:src|href)=\"(/assets/[^\"]+)\"", reply.body.decode()):
        assert Api().get(path, token="").status == 200


def test_every_word_of_the_frame_is_in_chinese_where_the_browser_asks_for_it() -> None:
    api = Api(pods=[pod("a")], nodes=[node("node-1")])
    page = api.page("/", "zh-CN,zh;q=0.9,en;q=0.8")
    assert 'lang="zh"' in page
    assert "<h2>节点</h2>" in page
    for english in ("Search", "Refresh", "All namespaces", "Workloads", "Last seen"):
        assert english in CHINESE
        assert english not in page
    assert "<h2>Nodes</h2>" in api.page("/", "en-GB,zh;q=0.5")


def test_more_rows_than_a_page_takes_can_be_searched() -> None:
    api = Api(pods=[pod(f"a-{number}") for number in range(MOST_ROWS + 20)])
    page = api.page("/pods")
    assert "20 more; search for them" in page
    assert f"a-{MOST_ROWS + 19}" in api.page(f"/pods?q=a-{MOST_ROWS + 19}")
