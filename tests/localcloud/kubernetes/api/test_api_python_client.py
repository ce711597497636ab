"""The real python client over TLS: certificates, tokens, lists, pages, watches, subresources."""

import threading
from typing import Any

import kubernetes
import pytest
from kubernetes.client.exceptions import ApiException

from localcloud.kubernetes.bootstrap import API_PORT

JOIN_TOKEN = "abcdef.0123456789abcdef"
MERGE = "application/merge-patch+json"
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(scope="module")
def api(server):
    with server.client() as client:
        yield kubernetes.client.CoreV1Api(client)


def make_body(name, **labels):
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "c", "image": "nginx"}]},
    }


def refusal(call, *arguments, **options):
    with pytest.raises(ApiException) as caught:
        call(*arguments, **options)
    return caught.value


def test_a_created_pod_reads_back_with_its_defaults(api, server):
    body = make_body("whole")
    body["spec"]["containers"][0]["resources"] = {"requests": {"cpu": 1, "memory": "1Gi"}}
    server.call("POST", PODS, body=body)
    pod = api.read_namespaced_pod("whole", "default")
    assert pod.status.phase == "Pending"
    assert pod.status.qos_class == "Burstable"
    assert pod.spec.restart_policy == "Always"
    assert pod.spec.containers[0].image_pull_policy == "Always"
    assert pod.spec.containers[0].resources.requests == {"cpu": "1", "memory": "1Gi"}
    assert [t.key for t in pod.spec.tolerations] == [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ]


def test_lists_narrow_by_labels_and_fields_and_come_in_pages(api):
    for number in range(5):
        api.create_namespaced_pod("default", make_body(f"paged-{number}", set="paged"))
    first = api.list_namespaced_pod("default", label_selector="set=paged", limit=2)
    assert [pod.metadata.name for pod in first.items] == ["paged-0", "paged-1"]
    rest = api.list_namespaced_pod(
        "default", label_selector="set=paged", limit=5, _continue=first.metadata._continue
    )
    assert [pod.metadata.name for pod in rest.items] == ["paged-2", "paged-3", "paged-4"]
    one = api.list_pod_for_all_namespaces(field_selector="metadata.name=paged-3")
    assert [pod.metadata.name for pod in one.items] == ["paged-3"]


def test_a_watch_reports_changes_since_a_list(api):
    version = api.list_namespaced_config_map("default").metadata.resource_version
    api.create_namespaced_config_map("default", {"metadata": {"name": "seen"}})
    api.delete_namespaced_config_map("seen", "default")
    watch = kubernetes.watch.Watch()
    events = watch.stream(
        api.list_namespaced_config_map, "default", resource_version=version, timeout_seconds=1
    )
    assert [(e["type"], e["object"].metadata.name) for e in events] == [
        ("ADDED", "seen"),
        ("DELETED", "seen"),
    ]


def test_a_watch_receives_a_later_change(api):
    version = api.list_namespaced_config_map("default").metadata.resource_version
    later = threading.Timer(
        0.1, api.create_namespaced_config_map, ("default", {"metadata": {"name": "later"}})
    )
    later.start()
    watch = kubernetes.watch.Watch()
    events = watch.stream(
        api.list_namespaced_config_map, "default", resource_version=version, timeout_seconds=5
    )
    assert next(events)["object"].metadata.name == "later"
    watch.stop()
    later.join()


def test_a_stale_version_is_a_conflict(api):
    node = api.create_node({"metadata": {"name": "stale"}})
    api.patch_node("stale", {"metadata": {"labels": {"a": "b"}}})
    error = refusal(api.replace_node, "stale", node)
    assert error.status == 409
    assert "the object has been modified" in error.body


def test_binding_and_status_change_only_their_fields(api):
    api.create_namespaced_pod("default", make_body("bound"))
    target = kubernetes.client.V1ObjectReference(kind="Node", name="somewhere")
    binding = kubernetes.client.V1Binding(
        metadata=kubernetes.client.V1ObjectMeta(name="bound"), target=target
    )
    api.create_namespaced_pod_binding("bound", "default", binding, _preload_content=False)
    again = refusal(
        api.create_namespaced_pod_binding, "bound", "default", binding, _preload_content=False
    )
    assert again.status == 409
    change = {"spec": {"nodeName": "elsewhere"}, "status": {"phase": "Running"}}
    api.patch_namespaced_pod_status("bound", "default", change)
    pod = api.read_namespaced_pod("bound", "default")
    assert (pod.spec.node_name, pod.status.phase) == ("somewhere", "Running")


def test_a_pod_on_a_node_is_deleted_in_two_steps(api, server):
    body = make_body("leaving")
    body["spec"]["nodeName"] = "somewhere"
    api.create_namespaced_pod("default", body)
    marked = api.delete_namespaced_pod("leaving", "default")
    assert marked.metadata.deletion_grace_period_seconds == 30
    assert api.read_namespaced_pod("leaving", "default").metadata.deletion_timestamp
    api.delete_namespaced_pod("leaving", "default", grace_period_seconds=0)
    assert refusal(api.read_namespaced_pod, "leaving", "default").status == 404


def test_services_get_addresses_and_keep_them(api):
    body: dict[str, Any] = {
        "metadata": {"name": "web"},
        "spec": {"type": "NodePort", "ports": [{"port": 80}], "selector": {"app": "web"}},
    }
    service = api.create_namespaced_service("default", body)
    assert service.spec.cluster_ip.startswith("10.96.")
    port = service.spec.ports[0].node_port
    assert 30000 <= port < 32768
    body["spec"]["ports"] = [{"port": 80, "targetPort": 8080}]
    replaced = api.replace_namespaced_service("web", "default", body)
    assert replaced.spec.cluster_ip == service.spec.cluster_ip
    assert replaced.spec.ports[0].node_port == port
    body["metadata"] = {"name": "other"}
    body["spec"]["ports"] = [{"port": 80, "nodePort": port}]
    assert "already allocated" in refusal(api.create_namespaced_service, "default", body).body


def test_the_api_service_stands_for_the_master(api):
    service = api.read_namespaced_service("kubernetes", "default")
    assert service.spec.cluster_ip == "10.96.0.1"
    endpoints = api.read_namespaced_endpoints("kubernetes", "default")
    assert endpoints.subsets[0].addresses[0].ip == "192.168.0.2"
    assert endpoints.subsets[0].ports[0].port == API_PORT


def test_evictions_ask_the_disruption_budget(api, server):
    body = make_body("guarded", app="guarded")
    api.create_namespaced_pod("default", body)
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    api.patch_namespaced_pod_status("guarded", "default", {"status": status})
    budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    selector = {"matchLabels": {"app": "guarded"}}
    budget = {"metadata": {"name": "d"}, "spec": {"minAvailable": 1, "selector": selector}}
    server.call("POST", budgets, body=budget)
    counts = {"observedGeneration": 1, "desiredHealthy": 1, "currentHealthy": 1}
    server.call("PATCH", f"{budgets}/d/status", body={"status": counts}, content_type=MERGE)
    eviction = kubernetes.client.V1Eviction(metadata={"name": "guarded"})
    error = refusal(api.create_namespaced_pod_eviction, "guarded", "default", eviction)
    assert error.status == 429
    assert "The disruption budget d needs 1 healthy pods and has 1 currently" in error.body
    counts = {**counts, "disruptionsAllowed": 1, "currentHealthy": 2}
    server.call("PATCH", f"{budgets}/d/status", body={"status": counts}, content_type=MERGE)
    api.create_namespaced_pod_eviction("guarded", "default", eviction)
    assert refusal(api.read_namespaced_pod, "guarded", "default").status == 404
    spent = server.call("GET", f"{budgets}/d")["status"]
    assert spent["disruptionsAllowed"] == 0
    assert "guarded" in spent["disruptedPods"]


def test_service_account_tokens_are_users_with_bound_rights(api, server):
    api.create_namespaced_service_account("default", {"metadata": {"name": "robot"}})
    token = server.call("POST", "/api/v1/namespaces/default/serviceaccounts/robot/token", body={})[
        "status"
    ]["token"]
    with server.anonymous(token) as client:
        robot = kubernetes.client.CoreV1Api(client)
        error = refusal(robot.list_namespaced_secret, "default")
        assert error.status == 403
        who = 'User \\"system:serviceaccount:default:robot\\"'
        assert f"secrets is forbidden: {who} cannot list resource" in error.body
        binding = {
            "metadata": {"name": "robots-view"},
            "roleRef": {"kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": "default"}],
        }
        server.call(
            "POST",
            "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
            body=binding,
        )
        assert robot.list_namespaced_pod("default") is not None
        assert refusal(robot.list_namespaced_pod, "kube-system").status == 403
        assert refusal(robot.list_namespaced_secret, "default").status == 403
        api.delete_namespaced_service_account("robot", "default")
        assert refusal(robot.list_namespaced_pod, "default").status == 401


def test_a_join_token_may_read_three_config_maps_and_register_a_node(server):
    with server.anonymous(JOIN_TOKEN) as client:
        joiner: Any = kubernetes.client.CoreV1Api(client)
        assert "kubeconfig" in joiner.read_namespaced_config_map("cluster-info", "kube-public").data
        missing = refusal(joiner.read_namespaced_config_map, "kubeadm-config", "kube-system")
        assert missing.status == 404
        joiner.create_node({"metadata": {"name": "joined"}})
        assert refusal(joiner.list_namespaced_secret, "kube-system").status == 403


def test_anonymous_users_read_health_version_and_cluster_info_only(server):
    with server.anonymous() as client:
        api = kubernetes.client.CoreV1Api(client)
        assert kubernetes.client.VersionApi(client).get_code().git_version == "v1.36.4"
        assert api.read_namespaced_config_map("cluster-info", "kube-public").data
        error = refusal(api.list_node)
        assert error.status == 403
        assert 'User \\"system:anonymous\\" cannot list resource \\"nodes\\"' in error.body
    with server.anonymous("wrong") as client:
        assert refusal(kubernetes.client.CoreV1Api(client).list_node).status == 401


def test_the_proxies_reach_a_page_and_need_a_slash(api, server):
    api.create_namespaced_service(
        "default",
        {
            "metadata": {"name": "page"},
            "spec": {"ports": [{"port": 80}], "selector": {"a": "page"}},
        },
    )
    error = refusal(api.connect_get_namespaced_service_proxy_with_path, "page", "default", "")
    assert error.status == 503
    assert 'no endpoints available for service \\"page\\"' in error.body
    api.create_namespaced_pod("default", make_body("page", a="page"))
    ready = [{"type": "Ready", "status": "True"}]
    status = {"phase": "Running", "podIP": "10.244.1.2", "conditions": ready}
    api.patch_namespaced_pod_status("page", "default", {"status": status})
    page = server.call("GET", "/api/v1/namespaces/default/services/page:80/proxy/")
    assert "nginx is up" in page
    assert "nginx is up" in server.call("GET", f"{PODS}/page:80/proxy/index.html")
    assert api.connect_get_namespaced_service_proxy("page", "default").startswith("<!doctype")


def test_every_list_can_be_read_by_the_strict_models(api, server):
    with server.client() as client:
        apps: Any = kubernetes.client.AppsV1Api(client)
        apps.create_namespaced_deployment(
            "default",
            {
                "metadata": {"name": "strict"},
                "spec": {
                    "selector": {"matchLabels": {"app": "strict"}},
                    "template": {
                        "metadata": {"labels": {"app": "strict"}},
                        "spec": {"containers": [{"name": "c", "image": "nginx"}]},
                    },
                },
            },
        )
        assert apps.list_deployment_for_all_namespaces().items[0].spec.replicas == 1
        rbac: Any = kubernetes.client.RbacAuthorizationV1Api(client)
        assert {role.metadata.name for role in rbac.list_cluster_role().items} >= {"view", "edit"}
        assert rbac.list_role_binding_for_all_namespaces().items
        assert kubernetes.client.DiscoveryV1Api(client).list_endpoint_slice_for_all_namespaces()
        events = kubernetes.client.EventsV1Api(client)
        about = {"kind": "Node", "name": "n"}
        api.create_namespaced_event(
            "default",
            {"metadata": {"name": "e"}, "involvedObject": about, "message": "hello"},
        )
        assert events.list_namespaced_event("default").items[0].note == "hello"
        assert api.list_event_for_all_namespaces(field_selector="involvedObject.name=n").items
