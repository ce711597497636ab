"""The rules of writes, called in process: names, defaults, validation, updates, deletion."""

import asyncio

import pytest

from localcloud.kubernetes.access.users import MASTERS
from localcloud.kubernetes.client import ApiFailure
from localcloud.kubernetes.objects.kinds import EVENT, KINDS
from localcloud.kubernetes.objects.names import ALPHABET
from localcloud.kubernetes.objects.shapes import unknown_fields

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


@pytest.fixture
def ask(make_plane):
    """Sends requests to a fresh cluster, and returns the decoded answers."""
    with asyncio.Runner() as runner:
        plane = make_plane()
        runner.run(plane.start())
        client = plane.client(MASTERS)

        def send(method, path, body=None, **options):
            return runner.run(client.request(method, path, body=body, **options))

        yield send
        runner.run(plane.stop())


def make_deployment(name="web", labels=None, **spec):
    labels = labels or {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": "nginx"}]},
    }
    selector = {"matchLabels": {"app": "web"}}
    return {
        "metadata": {"name": name},
        "spec": {"selector": selector, "template": template, **spec},
    }


def refused(ask, *arguments, **options):
    with pytest.raises(ApiFailure) as caught:
        ask(*arguments, **options)
    return caught.value


def test_generated_names_end_in_five_letters_without_vowels(ask, make_pod):
    name = ask("POST", PODS, make_pod())["metadata"]["name"]
    assert name.startswith("pod-")
    assert len(name) == 9
    assert set(name[4:]) <= set(ALPHABET)


def test_a_patch_of_the_status_keeps_its_changes_of_the_metadata(ask):
    """So do controllers set a finalizer together with a status (seen of 1.36.2)."""
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    services = "/api/v1/namespaces/default/services"
    ask("POST", services, {"metadata": {"name": "web"}, "spec": spec})
    kept = {"labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["example.org/wait"]}
    patch = {"metadata": kept, "spec": {"ports": [{"port": 81}]}}
    ask("PATCH", f"{services}/web/status", patch, content_type=MERGE)
    found = ask("GET", f"{services}/web")
    assert {key: found["metadata"][key] for key in kept} == kept
    assert found["spec"]["ports"][0]["port"] == 80
    ask("DELETE", f"{services}/web")
    assert "deletionTimestamp" in ask("GET", f"{services}/web")["metadata"]
    ask(
        "PATCH",
        f"{services}/web/status",
        {"metadata": {"finalizers": None}},
        content_type=MERGE,
    )
    assert refused(ask, "GET", f"{services}/web").status == 404


def test_the_status_of_a_deployment_does_not_set_its_labels(ask):
    ask("POST", DEPLOYMENTS, make_deployment())
    patch = {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}
    ask("PATCH", f"{DEPLOYMENTS}/web/status", patch, content_type=MERGE)
    found = ask("GET", f"{DEPLOYMENTS}/web")["metadata"]
    assert ("labels" in found, found["annotations"]) == (False, {"c": "d"})


def test_generation_counts_changes_of_the_spec_only(ask):
    created = ask("POST", DEPLOYMENTS, make_deployment())
    assert created["metadata"]["generation"] == 1
    path = f"{DEPLOYMENTS}/web"
    ask("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE)
    ask("PATCH", f"{path}/status", {"status": {"replicas": 1}}, content_type=MERGE)
    ask("PATCH", path, {"spec": {"replicas": 3}}, content_type=MERGE)
    found = ask("GET", path)
    assert found["metadata"]["generation"] == 2
    assert (found["spec"]["replicas"], found["status"]["replicas"]) == (3, 1)


def test_an_unchanged_write_gives_no_new_version(ask):
    created = ask("POST", CONFIG_MAPS, {"metadata": {"name": "a"}, "data": {"x": "1"}})
    again = ask("PUT", f"{CONFIG_MAPS}/a", created)
    assert again["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]


def test_status_is_not_set_by_create_nor_by_update(ask):
    body = {**make_deployment(), "status": {"replicas": 9}}
    created = ask("POST", DEPLOYMENTS, body)
    assert created["status"] == {}
    replaced = ask("PUT", f"{DEPLOYMENTS}/web", {**created, "status": {"replicas": 9}})
    assert replaced["status"] == {}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (PODS, {"metadata": {"name": "Bad"}, "spec": {"containers": []}}, "metadata.name"),
        (PODS, {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c"}]}}, "image"),
        (DEPLOYMENTS, make_deployment(labels={"app": "other"}), "template.metadata.labels"),
        (DEPLOYMENTS, make_deployment(replicas=-1), "spec.replicas"),
        (
            DEPLOYMENTS,
            make_deployment(strategy={"rollingUpdate": {"maxSurge": "half"}}),
            "spec.strategy.rollingUpdate.maxSurge",
        ),
        (
            "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
            {"metadata": {"name": "a"}, "spec": {"minAvailable": "most"}},
            "spec.minAvailable",
        ),
        (DEPLOYMENTS, {"metadata": {"name": "a"}, "spec": {}}, "spec.selector"),
        (
            "/api/v1/namespaces/default/services",
            {"metadata": {"name": "a"}, "spec": {}},
            "spec.ports",
        ),
        (CONFIG_MAPS, {"metadata": {"name": "a", "labels": {"-": "b"}}}, "metadata.labels"),
    ],
    ids=["name", "image", "labels", "replicas", "surge", "budget", "selector", "ports", "label"],
)
def test_common_mistakes_are_named(ask, path, body, field):
    failure = refused(ask, "POST", path, body)
    assert (failure.status, failure.reason) == (422, "Invalid")
    assert any(field in cause["field"] for cause in failure.details["causes"])


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        (
            CONFIG_MAPS,
            {"metadata": {"name": "a"}, "data": {"x": 1}},
            "ConfigMap.data of type string",
        ),
        (DEPLOYMENTS, make_deployment(replicas="3"), "DeploymentSpec.spec.replicas of type int32"),
        (
            DEPLOYMENTS,
            make_deployment(replicas=2**31),
            "number 2147483648 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (PODS, {"metadata": {"name": "a"}, "spec": []}, "Pod.spec of type v1.PodSpec"),
        (
            PODS,
            {"kind": "Service", "metadata": {"name": "a"}},
            "cannot be handled as a Pod: converting",
        ),
        (PODS, {"metadata": {"name": "a", "namespace": "other"}}, "does not match the namespace"),
        (PODS, [], "couldn't get version/kind"),
        (
            "/api/v1/nodes",
            {"metadata": {"name": "a"}, "spec": {"taints": "x"}},
            "NodeSpec.spec.taints of type []v1.Taint",
        ),
    ],
    ids=["data", "replicas", "too many", "spec", "kind", "namespace", "list", "taints"],
)
def test_bodies_of_the_wrong_shape_are_bad_requests(ask, path, body, text):
    failure = refused(ask, "POST", path, body)
    assert failure.status == 400
    assert text in failure.message


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (
            "/api/v1/nodes",
            {"spec": {"taints": [{"key": "a"}]}},
            "spec.taints[0].effect",
        ),
        (
            "/api/v1/namespaces/default/endpoints",
            {"subsets": [{"addresses": [{"ip": "1.2.3.4"}, {}]}]},
            "subsets[0].addresses[1].ip",
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
            {"roleRef": {"kind": "Role", "name": "x"}, "subjects": [{"kind": "User"}]},
            "subjects[0].name",
        ),
    ],
    ids=["taint", "address", "subject"],
)
def test_records_in_lists_need_their_required_fields(ask, path, body, field):
    failure = refused(ask, "POST", path, {"metadata": {"name": "a"}, **body})
    assert (failure.status, failure.reason) == (422, "Invalid")
    assert f"{field}: Required value" in failure.message


def test_a_status_has_zeros_for_required_values_that_are_not_given(ask):
    status = {"conditions": [{"type": "Ready"}], "nodeInfo": {"osImage": "Ubuntu"}}
    stored = ask("POST", "/api/v1/nodes", {"metadata": {"name": "a"}, "status": status})["status"]
    assert stored["conditions"] == [{"type": "Ready", "status": ""}]
    assert (stored["nodeInfo"]["osImage"], stored["nodeInfo"]["bootID"]) == ("Ubuntu", "")


def test_missing_and_wrong_fields_are_reported_together(ask, make_pod):
    body = make_pod("a")
    body["spec"]["containers"][0] |= {"env": [{"valueFrom": {"secretKeyRef": {"name": "s"}}}]}
    body["spec"]["restartPolicy"] = "Perhaps"
    failure = refused(ask, "POST", PODS, body)
    assert [cause["field"] for cause in failure.details["causes"]] == [
        "spec.containers[0].env[0].name",
        "spec.restartPolicy",
        "spec.containers[0].env[0].valueFrom.secretKeyRef.key",
    ]


@pytest.mark.parametrize("text", ["abc", "100mm", "1 Gi", "", "1.2.3"])
def test_an_invalid_quantity_is_refused(ask, make_pod, text):
    body = make_pod("a")
    body["spec"]["containers"][0]["resources"] = {"requests": {"cpu": text}}
    failure = refused(ask, "POST", PODS, body)
    assert failure.status == 400
    assert "quantities must match the regular expression" in failure.message


@pytest.mark.parametrize("text", ["abc", "2026-13-01T00:00:00Z", "2026-01-01"])
def test_an_invalid_time_is_refused(ask, text):
    body = {"metadata": {"name": "a"}, "spec": {"renewTime": text}}
    path = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    failure = refused(ask, "POST", path, body)
    assert failure.status == 400
    assert f'parsing time "{text}"' in failure.message


STRICT = {"fieldValidation": "Strict"}


def test_unknown_fields_are_refused_only_in_strict_mode(ask):
    body = {"metadata": {"name": "a"}, "dta": {"x": "1"}}
    assert 'unknown field "dta"' in refused(ask, "POST", CONFIG_MAPS, body, query=STRICT).message
    ask("POST", CONFIG_MAPS, body)


def test_an_unknown_field_is_found_at_any_depth_and_named_by_its_path(ask, make_pod):
    body = make_pod("a")
    body["spec"]["containers"][0]["prots"] = [{"containerPort": 80}]
    body["spec"]["nodeNam"] = "x"
    failure = refused(ask, "POST", PODS, body, query=STRICT)
    assert failure.status == 400
    assert failure.message.endswith(
        'strict decoding error: unknown field "spec.containers[0].prots", '
        'unknown field "spec.nodeNam"'
    )


def test_strict_patches_may_hold_directives_but_no_unknown_fields(ask):
    ask("POST", DEPLOYMENTS, make_deployment())
    spec = {"$retainKeys": ["containers"], "containers": [{"name": "c", "image": "nginx:1"}]}
    patch = {"spec": {"template": {"spec": spec}}}
    options = {"content_type": STRATEGIC, "query": STRICT}
    ask("PATCH", f"{DEPLOYMENTS}/web", patch, **options)
    spec["containrs"] = []
    failure = refused(ask, "PATCH", f"{DEPLOYMENTS}/web", patch, **options)
    assert 'unknown field "spec.template.spec.containrs"' in failure.message


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind is not EVENT], ids=lambda k: k.kind
)
def test_every_field_that_the_server_itself_writes_is_known(ask, kind):
    for stored in ask("GET", kind.path())["items"]:
        assert unknown_fields(kind, stored) == []


def test_quantities_are_stored_in_one_text_for_each(ask, make_pod):
    body = make_pod("a")
    body["spec"]["containers"][0]["resources"] = {"limits": {"cpu": 0.5, "memory": "1024Ki"}}
    resources = ask("POST", PODS, body)["spec"]["containers"][0]["resources"]
    expected = {"cpu": "500m", "memory": "1Mi"}
    assert resources == {"limits": expected, "requests": expected}


def test_text_of_secrets_is_stored_encoded(ask):
    body = {"metadata": {"name": "s"}, "stringData": {"a": "text"}}
    secret = ask("POST", "/api/v1/namespaces/default/secrets", body)
    assert secret["data"] == {"a": "dGV4dA=="}
    assert "stringData" not in secret


def test_selectors_and_pod_specs_are_immutable(ask, make_pod):
    ask("POST", DEPLOYMENTS, make_deployment())
    change = {"spec": {"selector": {"matchLabels": {"app": "db"}}}}
    failure = refused(ask, "PATCH", f"{DEPLOYMENTS}/web", change, content_type=MERGE)
    assert "field is immutable" in failure.message
    ask("POST", PODS, make_pod("a"))
    policy = {"spec": {"dnsPolicy": "Default"}}
    failure = refused(ask, "PATCH", f"{PODS}/a", policy, content_type=MERGE)
    assert "pod updates may not change" in failure.message


def test_objects_need_an_active_namespace(ask):
    path = "/api/v1/namespaces/shop/configmaps"
    assert refused(ask, "POST", path, {"metadata": {"name": "a"}}).message.startswith("namespaces")
    ask("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
    ask("POST", path, {"metadata": {"name": "a"}})
    leaving = ask("DELETE", "/api/v1/namespaces/shop")
    assert leaving["status"]["phase"] == "Terminating"
    assert "being terminated" in refused(ask, "POST", path, {"metadata": {"name": "b"}}).message
    ask("PUT", "/api/v1/namespaces/shop/finalize", {"spec": {"finalizers": []}})
    assert refused(ask, "GET", "/api/v1/namespaces/shop").status == 404
    assert refused(ask, "DELETE", "/api/v1/namespaces/kube-system").status == 403


def test_finalizers_hold_an_object_until_they_are_gone(ask):
    body = {"metadata": {"name": "held", "finalizers": ["example.com/mine"]}}
    ask("POST", CONFIG_MAPS, body)
    marked = ask("DELETE", f"{CONFIG_MAPS}/held")
    assert marked["metadata"]["deletionTimestamp"]
    ask("PATCH", f"{CONFIG_MAPS}/held", {"metadata": {"finalizers": None}}, content_type=MERGE)
    assert refused(ask, "GET", f"{CONFIG_MAPS}/held").status == 404


@pytest.mark.parametrize(
    ("policy", "finalizer"), [("Orphan", "orphan"), ("Foreground", "foregroundDeletion")]
)
def test_propagation_is_left_to_the_garbage_collector_as_a_finalizer(ask, policy, finalizer):
    ask("POST", DEPLOYMENTS, make_deployment())
    body = {"propagationPolicy": policy}
    assert ask("DELETE", f"{DEPLOYMENTS}/web", body)["metadata"]["finalizers"] == [finalizer]


def test_deletes_can_be_bound_to_one_object(ask):
    ask("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
    failure = refused(ask, "DELETE", f"{CONFIG_MAPS}/a", {"preconditions": {"uid": "other"}})
    assert failure.status == 409
    assert "deleted and then recreated" in failure.message


def test_a_pod_without_a_node_or_finished_is_deleted_at_once(ask, make_pod):
    ask("POST", PODS, make_pod("waiting"))
    ask("DELETE", f"{PODS}/waiting")
    assert refused(ask, "GET", f"{PODS}/waiting").status == 404
    body = make_pod("done")
    body["spec"]["nodeName"] = "n"
    ask("POST", PODS, body)
    ask("PATCH", f"{PODS}/done/status", {"status": {"phase": "Succeeded"}}, content_type=MERGE)
    ask("DELETE", f"{PODS}/done")
    assert refused(ask, "GET", f"{PODS}/done").status == 404


def test_deleting_a_collection_keeps_to_its_selector(ask):
    for name in "abc":
        labels = {"keep": "yes"} if name == "b" else {}
        ask("POST", CONFIG_MAPS, {"metadata": {"name": name, "labels": labels}})
    ask("DELETE", CONFIG_MAPS, query={"labelSelector": "!keep"})
    assert [item["metadata"]["name"] for item in ask("GET", CONFIG_MAPS)["items"]] == ["b"]


def test_a_dry_run_answers_and_changes_nothing(ask):
    dry = {"dryRun": "All"}
    body = {"metadata": {"name": "a"}}
    assert ask("POST", CONFIG_MAPS, body, query=dry)["metadata"]["uid"]
    assert refused(ask, "GET", f"{CONFIG_MAPS}/a").status == 404
    ask("POST", CONFIG_MAPS, body)
    change = {"data": {"x": "1"}}
    changed = ask("PATCH", f"{CONFIG_MAPS}/a", change, content_type=MERGE, query=dry)
    assert changed["data"] == {"x": "1"}
    ask("DELETE", f"{CONFIG_MAPS}/a", query=dry)
    assert "data" not in ask("GET", f"{CONFIG_MAPS}/a")


def test_apply_creates_then_merges(ask):
    apply = {"content_type": "application/apply-patch+yaml", "query": {"fieldManager": "tests"}}
    first = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}}
    ask("PATCH", f"{CONFIG_MAPS}/c", first, **apply)
    merged = ask("PATCH", f"{CONFIG_MAPS}/c", {"data": {"b": "2"}}, **apply)
    assert merged["data"] == {"a": "1", "b": "2"}


def test_versions_of_the_future_and_the_past_are_refused(ask):
    failure = refused(ask, "GET", PODS, query={"resourceVersion": "999999"})
    assert (failure.status, failure.reason) == (504, "Timeout")
    assert "Too large resource version" in failure.message
    assert refused(ask, "GET", PODS, query={"resourceVersion": "x"}).status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/namespaces/default/gadgets", 404),
        ("GET", "/nowhere", 404),
        ("DELETE", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405),
        ("POST", "/api/v1/pods", 405),
        ("GET", f"{PODS}/a/sing", 404),
        ("POST", f"{PODS}/a/status", 405),
        ("POST", f"{PODS}/a/exec", 501),
    ],
)
def test_missing_objects_and_paths_are_refused(ask, make_pod, method, path, status):
    assert refused(ask, method, path, make_pod("a")).status == status
