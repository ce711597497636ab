"""What is read from a cluster, from answers that a real 1.36 server gave."""

import json
from typing import Any

import pytest

from clients.kubernetes import ClusterClient
from clients.kubernetes.records import count_by_node
from domain.cloud.addons import Claim
from domain.kernel.errors import ApiRejected, NotFound, TemporaryError
from tests.clients.kubernetes.canned_apiserver import Answer, Apiserver

NODE, OTHER = "192.168.100.3", "192.168.100.5"
POD = {"metadata": {"namespace": "default", "name": "p", "uid": "u"}}


def test_nodes_come_as_records(apiserver: Apiserver, cluster: ClusterClient) -> None:
    apiserver.recorded("GET", "/api/v1/nodes", "nodes")
    first, second = cluster.list_nodes()
    assert (first.name, first.address, second.name) == (NODE, NODE, OTHER)
    assert first.ready
    assert first.schedulable
    assert first.pods_allocatable == 40
    assert first.version == "v1.36.2"
    assert first.labels["kubernetes.io/os"] == "linux"


def test_node_that_has_just_registered_is_read(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    item = {"metadata": {"name": "new"}, "spec": {"unschedulable": True}}
    apiserver.answer("GET", "/api/v1/nodes", make_list([item]))
    (node,) = cluster.list_nodes()
    assert (node.ready, node.schedulable, node.pods_allocatable, node.address) == (
        False,
        False,
        0,
        "",
    )


def test_quantities_are_read_in_every_form(apiserver: Apiserver, cluster: ClusterClient) -> None:
    item = {"metadata": {"name": "n"}, "status": {"allocatable": {"pods": "1k"}}}
    apiserver.answer("GET", "/api/v1/nodes", make_list([item]))
    assert [node.pods_allocatable for node in cluster.list_nodes()] == [1000]


def make_list(items: list[Any], token: str = "") -> Answer:
    return Answer(200, {"kind": "List", "metadata": {"continue": token}, "items": items})


def test_pods_come_as_records(apiserver: Apiserver, cluster: ClusterClient) -> None:
    apiserver.recorded("GET", "/api/v1/namespaces/default/pods", "pods")
    pods = cluster.list_pods(namespace="default", node=NODE, selector="app=d")
    assert [pod.owner for pod in pods] == ["ReplicaSet"] * 3
    assert pods[0].name.startswith("d-54c6d8c84-")
    assert pods[0].uid
    assert {pod.node for pod in pods} <= {NODE, OTHER}
    assert all(pod.ready and pod.phase == "Running" and pod.is_workload for pod in pods)
    query = apiserver.requests[0].query
    assert query["labelSelector"] == "app=d"
    assert query["fieldSelector"] == f"spec.nodeName={NODE}"


def test_mirror_pods_and_daemon_set_pods_are_not_workload(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    mirror: Any = json.loads(json.dumps(POD))
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    owned: Any = json.loads(json.dumps(POD))
    owned["metadata"]["ownerReferences"] = [
        {"kind": "Node", "name": "n"},
        {"kind": "DaemonSet", "name": "d", "controller": True},
    ]
    apiserver.answer("GET", "/api/v1/pods", make_list([mirror, owned, POD]))
    assert [pod.is_workload for pod in cluster.list_pods()] == [False, False, True]


def test_long_lists_are_read_in_pages(apiserver: Apiserver, cluster: ClusterClient) -> None:
    apiserver.answer(
        "GET", "/api/v1/pods", make_list([POD], "t1"), make_list([], "t2"), make_list([POD])
    )
    assert len(cluster.list_pods(selector="a=b")) == 2
    assert [r.query.get("continue") for r in apiserver.requests] == [None, "t1", "t2"]
    assert {r.query["labelSelector"] for r in apiserver.requests} == {"a=b"}


def test_a_list_that_expired_between_pages_can_be_read_again(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    expired = Answer(410, {"kind": "Status", "reason": "Expired", "message": "too old"})
    apiserver.answer("GET", "/api/v1/pods", make_list([POD], "t1"), expired)
    with pytest.raises(TemporaryError, match="expired while it was read"):
        cluster.list_pods()


def test_workload_pods_are_counted_from_a_table_without_objects(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    apiserver.recorded("GET", "/api/v1/pods", "pods-table")
    assert cluster.count_workload_pods() == {OTHER: 1, NODE: 2}
    (request,) = apiserver.requests
    assert request.accept == "application/json;as=Table;v=v1;g=meta.k8s.io"
    assert request.query == {
        "includeObject": "None",
        "labelSelector": "!pod-template-generation",
        "fieldSelector": "status.phase!=Succeeded,status.phase!=Failed",
    }


def test_mirror_pods_are_left_out_and_pods_without_a_node_have_their_own_count() -> None:
    table = {
        "kind": "Table",
        "columnDefinitions": [{"name": "Node"}, {"name": "Name"}, {"name": "Ready"}],
        "rows": [
            {"cells": ["master-1", "etcd-master-1", "1/1"]},
            {"cells": ["master-1", "coredns-abc", "1/1"]},
            {"cells": ["master-1", "web-master-2", "1/1"]},
            {"cells": ["<none>", "waiting", "1/1"]},
            {"cells": ["<none>", "waiting-too", "1/1"]},
        ],
    }
    assert count_by_node(table) == {"master-1": 2, "": 2}


def test_an_empty_cluster_has_a_table_without_rows() -> None:
    columns = [{"name": "Name"}, {"name": "Ready"}, {"name": "Node"}]
    assert count_by_node({"kind": "Table", "columnDefinitions": columns, "rows": None}) == {}


def test_server_without_tables_is_an_error_and_not_an_empty_cluster() -> None:
    with pytest.raises(ApiRejected, match="Table"):
        count_by_node({"kind": "PodList", "items": []})


def test_an_object_is_read_or_absent(apiserver: Apiserver, cluster: ClusterClient) -> None:
    base = "/api/v1/namespaces/default/replicationcontrollers/"
    apiserver.recorded("GET", base + "nginx", "replicationcontroller")
    apiserver.recorded("GET", base + "nosuch", "pod-not-found")
    found = cluster.read("ReplicationController", "nginx", "default")
    assert found is not None
    assert found["spec"]["replicas"] == 3
    assert cluster.read("ReplicationController", "nosuch") is None


def test_the_version_is_read(apiserver: Apiserver, cluster: ClusterClient) -> None:
    apiserver.recorded("GET", "/version", "version")
    assert cluster.read_version() == "v1.36.2"


def test_a_page_is_fetched_through_the_service_proxy(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    base = "/api/v1/namespaces/default/services/nginxservice/proxy/"
    apiserver.answer("GET", base, Answer(200, "<h1>你好</h1>", "text/html"))
    assert cluster.fetch_service_page("default", "nginxservice") == "<h1>你好</h1>"


def test_service_without_pods_is_a_temporary_error(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    status = {"kind": "Status", "message": 'no endpoints available for service "web"'}
    apiserver.answer("GET", "/api/v1/namespaces/a/services/web/proxy/", Answer(503, status))
    with pytest.raises(TemporaryError, match="no endpoints available"):
        cluster.fetch_service_page("a", "web")


def test_a_page_that_the_pod_does_not_have_is_not_found(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    path = "/api/v1/namespaces/a/services/web/proxy/"
    apiserver.answer("GET", path, Answer(404, "<html>nothing here</html>", "text/html"))
    with pytest.raises(NotFound, match="HTTP 404"):
        cluster.fetch_service_page("a", "web")


def make_volume(name: str, driver: str, policy: str = "Delete") -> Any:
    return {
        "metadata": {"name": name},
        "spec": {
            "csi": {"driver": driver, "volumeHandle": f"vol-{name}"},
            "claimRef": {"namespace": "shop", "name": f"claim-{name}"},
            "persistentVolumeReclaimPolicy": policy,
        },
    }


def test_claims_are_those_with_a_volume_of_the_cloud(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    cloud = "disk.csi.qingcloud.com"
    volumes = [
        make_volume("a", cloud),
        make_volume("b", cloud, "Retain"),
        make_volume("c", "nfs.csi.k8s.io"),
        {"metadata": {"name": "d"}, "spec": {"hostPath": {"path": "/data"}}},
    ]
    apiserver.answer("GET", "/api/v1/persistentvolumes", make_list(volumes))
    attached = {
        "metadata": {"name": "csi-1"},
        "spec": {"source": {"persistentVolumeName": "a"}, "nodeName": NODE},
    }
    apiserver.answer("GET", "/apis/storage.k8s.io/v1/volumeattachments", make_list([attached]))
    assert cluster.list_claims() == [
        Claim("shop", "claim-a", "vol-a", is_attached=True),
        Claim("shop", "claim-b", "vol-b", is_retained=True),
    ]


def test_a_server_without_storage_has_no_claims(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    apiserver.answer("GET", "/api/v1/persistentvolumes", Answer(404, {"code": 404}))
    assert cluster.list_claims() == []


def test_services_of_type_load_balancer_are_selected_by_the_server(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    item = {"metadata": {"namespace": "default", "name": "web", "uid": "0f3c2a11-7d1a"}}
    apiserver.answer("GET", "/api/v1/services", make_list([item]))
    (service,) = cluster.list_balanced_services()
    assert service.has("k8s_lb_mine_default_web_0f3c2a11")
    assert not service.has("k8s_lb_mine_other-default_web_0f3c2a1")
    assert apiserver.requests[0].query["fieldSelector"] == "spec.type=LoadBalancer"
