"""Everyday commands of a real kubectl against the emulated API server, without controllers."""

import json
import re
from typing import Any

NGINX = """
apiVersion: v1
kind: ReplicationController
metadata: {name: nginx}
spec:
  replicas: 3
  selector: {app: nginx-demo}
  template:
    metadata: {labels: {app: nginx-demo}}
    spec:
      containers: [{name: nginx, image: "nginx:latest", ports: [{containerPort: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: nginxservice}
spec: {ports: [{port: 80}], selector: {app: nginx-demo}}
"""


def make_node(name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "status": {
            "allocatable": {"cpu": 8, "memory": "16Gi", "pods": "40"},
            "capacity": {"cpu": 8, "memory": "16Gi", "pods": "40"},
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": "v1.36.4"},
        },
    }


def test_create_get_scale_and_delete(kubectl):
    assert kubectl("create", "-f", "-", stdin=NGINX).splitlines() == [
        "replicationcontroller/nginx created",
        "service/nginxservice created",
    ]
    kubectl("scale", "rc", "nginx", "--replicas=5")
    rows = kubectl("get", "rc,svc,pods", "--no-headers").splitlines()
    assert rows[0].split()[:4] == ["replicationcontroller/nginx", "5", "0", "0"]
    assert "SELECTOR" in kubectl("get", "rc", "-o", "wide")
    assert "Replicas:     0 current / 5 desired" in kubectl("describe", "rc", "nginx")
    assert kubectl("get", "rc", "nginx", "-o", "jsonpath={.spec.replicas}") == "5"
    kubectl("delete", "rc/nginx", "svc/nginxservice", "--cascade=background")
    assert "NotFound" in kubectl.try_run("get", "rc", "nginx").stderr


def test_imperative_create_commands_post_protobuf(kubectl, server):
    for words in (
        ("deployment", "web", "--image=nginx", "--replicas=0", "--port=80"),
        ("namespace", "shop"),
        ("service", "nodeport", "np", "--tcp=80:8080", "--node-port=30443"),
        ("service", "clusterip", "ci", "--tcp=80"),
        ("configmap", "settings", "--from-literal=a=1", "--from-literal=empty="),
        ("secret", "generic", "keys", "--from-literal=password=hidden"),
        ("serviceaccount", "robot"),
        ("role", "reader", "--verb=get,list", "--resource=pods"),
        ("clusterrole", "nodes", "--verb=get", "--resource=nodes"),
        ("rolebinding", "readers", "--role=reader", "--serviceaccount=default:robot"),
        ("clusterrolebinding", "nodes", "--clusterrole=nodes", "--user=jane"),
        ("poddisruptionbudget", "keep", "--selector=app=web", "--min-available=50%"),
    ):
        kubectl("create", *words)
    deployment = server.call("GET", "/apis/apps/v1/namespaces/default/deployments/web")
    assert deployment["spec"]["replicas"] == 0
    assert deployment["spec"]["selector"] == {"matchLabels": {"app": "web"}}
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["ports"][0]["containerPort"]) == ("nginx", 80)
    settings = server.call("GET", "/api/v1/namespaces/default/configmaps/settings")
    assert settings["data"] == {"a": "1", "empty": ""}
    service = server.call("GET", "/api/v1/namespaces/default/services/np")
    assert service["spec"]["ports"][0]["nodePort"] == 30443
    assert service["spec"]["ports"][0]["targetPort"] == 8080
    role = server.call("GET", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/reader")
    assert role["rules"] == [{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}]
    assert kubectl("create", "token", "robot").count(".") == 2


def test_a_priority_class_can_be_created_by_its_command(kubectl):
    kubectl("create", "priorityclass", "mine", "--value=5", "--preemption-policy=Never")
    found = kubectl("get", "pc", "mine", "-o", "jsonpath={.value} {.preemptionPolicy}")
    assert found == "5 Never"


def test_apply_three_times_and_server_side(kubectl, tmp_path):
    manifest = tmp_path / "cfg.yaml"
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cfg}\ndata: {a: '%s'}\n"
    manifest.write_text(text % 1)
    assert "created" in kubectl("apply", "-f", str(manifest))
    assert "unchanged" in kubectl("apply", "-f", str(manifest))
    manifest.write_text(text % 2)
    assert "configured" in kubectl("apply", "-f", str(manifest))
    assert kubectl("get", "cm", "cfg", "-o", "jsonpath={.data.a}") == "2"
    manifest.write_text(text % 3)
    assert '+  a: "3"' in kubectl.try_run("diff", "-f", str(manifest)).stdout
    forced = ("apply", "--server-side", "--force-conflicts", "-f", str(manifest))
    assert "Warning: no field has an owner here" in kubectl.try_run(*forced).stderr
    assert kubectl("get", "cm", "cfg", "-o", "jsonpath={.data.a}") == "3"
    manifest.write_text(text.replace("cfg", "fresh") % 4)
    assert "serverside-applied" in kubectl("apply", "--server-side", "-f", str(manifest))


def test_label_annotate_cordon_taint_and_describe_a_node(kubectl, server):
    server.call("POST", "/api/v1/nodes", body=make_node("worker"))
    kubectl("label", "node", "worker", "pool=k8s-node")
    kubectl("annotate", "node", "worker", "note=here")
    kubectl("cordon", "worker")
    kubectl("taint", "node", "worker", "x=y:NoSchedule")
    row = kubectl("get", "nodes", "--no-headers").split()
    assert row[:2] == ["worker", "Ready,SchedulingDisabled"]
    text = kubectl("describe", "node", "worker")
    assert "pool=k8s-node" in text
    assert "Unschedulable:      true" in text
    assert "x=y:NoSchedule" in text
    kubectl("uncordon", "worker")
    kubectl("taint", "node", "worker", "x-")
    node = server.call("GET", "/api/v1/nodes/worker")
    assert not node["spec"].get("unschedulable")
    assert node["status"]["capacity"]["cpu"] == "8"


def test_patch_in_three_ways(kubectl):
    kubectl("create", "cm", "patched", "--from-literal=a=1")
    kubectl("patch", "cm", "patched", "-p", '{"data": {"b": "2"}}')
    kubectl("patch", "cm", "patched", "--type=merge", "-p", '{"data": {"a": null}}')
    operation = '[{"op": "add", "path": "/data/c", "value": "3"}]'
    kubectl("patch", "cm", "patched", "--type=json", "-p", operation)
    data = json.loads(kubectl("get", "cm", "patched", "-o", "json"))["data"]
    assert data == {"b": "2", "c": "3"}


def test_run_expose_set_image_and_logs(kubectl, server):
    kubectl("run", "one", "--image=nginx", "--port=80")
    kubectl("expose", "pod", "one", "--port=8000", "--target-port=80")
    assert "ContainerCreating" in kubectl.try_run("logs", "one").stderr
    path = "/api/v1/namespaces/default/pods/one"
    status = {"status": {"phase": "Running", "startTime": "2026-01-01T00:00:00Z"}}
    server.call("PATCH", f"{path}/status", body=status, content_type="application/merge-patch+json")
    assert "simulated container one of image nginx" in kubectl("logs", "one")
    before = kubectl.try_run("logs", "one", "--previous").stderr
    assert 'previous terminated container "one" in pod "one" not found' in before
    kubectl("delete", "pod", "one", "--now")
    kubectl("create", "deployment", "site", "--image=nginx")
    kubectl("set", "image", "deployment/site", "nginx=nginx:1.27")
    kubectl("rollout", "restart", "deployment/site")
    assert "nginx:1.27" in kubectl("get", "deployment", "site", "-o", "wide")
    kubectl("run", "two", "--image=nginx")
    assert "not emulated" in kubectl.try_run("exec", "two", "--", "id").stderr


def test_access_questions(kubectl, server):
    assert kubectl("auth", "can-i", "delete", "nodes").strip() == "yes"
    me = kubectl("auth", "whoami")
    assert "cluster-admins" in me
    assert re.search("credential-id +\\[X509SHA256=[0-9a-f]{64}]", me)
    server.kubeconfig("visitor", "guests")
    done = kubectl.try_run("auth", "can-i", "list", "pods", user="visitor")
    assert done.stdout.strip() == "no"
    refused = kubectl.try_run("get", "pods", user="visitor").stderr
    assert 'User "visitor" cannot list resource "pods" in API group "" in the namespace' in refused


def test_waiting_and_discovery(kubectl, server):
    kubectl("create", "ns", "watched")
    done = kubectl.try_run(
        "wait", "--for=jsonpath={.status.phase}=Active", "ns/watched", "--timeout=60s"
    )
    assert "condition met" in done.stdout
    assert kubectl("api-resources", "--api-group=apps", "--no-headers").count("apps/v1") == 3
    assert kubectl("get", "all", "-A").startswith("NAMESPACE")
    assert kubectl("version", "-o", "json").count("v1.36.4") == 1
    assert "is running at" in kubectl("cluster-info")


def test_what_is_not_emulated_is_refused_with_a_reason(kubectl):
    for words, named in (
        (("create", "job", "j", "--image=busybox"), "jobs.batch is not emulated"),
        (("create", "quota", "q", "--hard=pods=3"), "resourcequotas is not emulated"),
        (("get", "--raw", "/api/v1/nodes/none/proxy/metrics"), "nodes/proxy is not emulated"),
    ):
        done = kubectl.try_run(*words)
        assert done.returncode == 1
        assert named in done.stderr


def test_debugging_is_refused_with_a_reason(kubectl):
    kubectl("run", "debugged", "--image=nginx")
    done = kubectl.try_run("debug", "debugged", "--image=busybox")
    assert "pods/ephemeralcontainers is not emulated" in done.stderr


def test_a_manifest_of_an_unknown_kind_is_refused_by_its_name(kubectl):
    text = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: s}\n"
    done = kubectl.try_run("apply", "-f", "-", stdin=text)
    assert 'no matches for kind "StatefulSet" in version "apps/v1"' in done.stderr


def test_a_typing_error_deep_in_a_manifest_is_found(kubectl):
    text = NGINX.replace("containerPort", "containerPrt")
    done = kubectl.try_run("create", "-f", "-", stdin=text)
    path = "spec.template.spec.containers[0].ports[0].containerPrt"
    assert f'unknown field "{path}"' in done.stderr


def test_explain_describes_the_fields(kubectl):
    text = kubectl("explain", "deployment.spec.replicas")
    assert "FIELD: replicas <integer>" in text
    assert "Number of desired pods" in text
    assert "containers\t<[]Container> -required-" in kubectl("explain", "pod.spec")


def test_impersonation_has_the_permissions_of_the_other_user(kubectl, server):
    kubectl("create", "serviceaccount", "reader")
    kubectl("create", "role", "looks", "--verb=list", "--resource=configmaps")
    kubectl("create", "rolebinding", "looks", "--role=looks", "--serviceaccount=default:reader")
    reader = "--as=system:serviceaccount:default:reader"
    kubectl("get", "configmaps", reader)
    assert "cannot list" in kubectl.try_run("get", "pods", reader).stderr
    assert kubectl.try_run("auth", "can-i", "list", "pods", reader).stdout.strip() == "no"
    members = ("--as=jane", "--as-group=a", "--as-group=b")
    assert "[a b system:authenticated]" in kubectl("auth", "whoami", *members)
    server.kubeconfig("visitor", "guests")
    refused = kubectl.try_run("get", "pods", "--as=jane", user="visitor").stderr
    assert 'User "visitor" cannot impersonate resource "users"' in refused
