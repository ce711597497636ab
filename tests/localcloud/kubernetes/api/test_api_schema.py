"""Rules about fields that come from the table of the published schema."""

import json

import pytest

from localcloud.kubernetes.api import openapi
from localcloud.kubernetes.objects.kinds import KINDS, REVIEWS
from localcloud.kubernetes.objects.schema import record, record_of, records

STRATEGIC = "application/strategic-merge-patch+json"
NAMESPACE = "/api/v1/namespaces/default"


def patched(send, path, body, patch):
    """Return a new object after a strategic merge."""
    send("POST", f"{NAMESPACE}/{path}", body)
    name = body["metadata"]["name"]
    return send("PATCH", f"{NAMESPACE}/{path}/{name}", patch, media=STRATEGIC).content()


def test_pull_secrets_of_a_service_account_are_replaced(send):
    body = {"metadata": {"name": "robot"}, "imagePullSecrets": [{"name": "a"}]}
    found = patched(send, "serviceaccounts", body, {"imagePullSecrets": [{"name": "b"}]})
    assert found["imagePullSecrets"] == [{"name": "b"}]


def test_scheduling_gates_of_a_pod_are_joined(send):
    gates = [{"name": "ex.io/a"}, {"name": "ex.io/b"}]
    spec = {"containers": [{"name": "a", "image": "b"}], "schedulingGates": gates}
    gone = {"spec": {"schedulingGates": [{"name": "ex.io/a", "$patch": "delete"}]}}
    found = patched(send, "pods", {"metadata": {"name": "a"}, "spec": spec}, gone)
    assert found["spec"]["schedulingGates"] == gates[1:]
    added = {"spec": {"schedulingGates": gates}}
    status, message = send.refused("PATCH", f"{NAMESPACE}/pods/a", added, media=STRATEGIC)
    assert status == 422
    assert "only deletion is allowed, but found new scheduling gate 'ex.io/a'" in message


@pytest.mark.parametrize("kind", [*KINDS, *REVIEWS], ids=lambda kind: kind.kind)
def test_every_kind_is_in_the_table(kind):
    assert {"apiVersion", "kind", "metadata"} <= record_of(kind).fields.keys()


@pytest.mark.parametrize("name", records())
def test_every_field_that_is_sent_has_one_number(name):
    def names(numbers):
        for one in numbers.values():
            yield from [one] if isinstance(one, str) else names(one)

    found = [*names(record(name).numbers)]
    without = record(name).fields.keys() - set(found)
    assert without <= {"apiVersion", "kind"}  # of a kind, these are in the envelope
    assert len(found) == len(set(found)) == len(record(name).fields) - len(without)


def test_fields_in_openapi_are_those_of_the_table():
    schemas = json.loads(openapi.find("/api/v1") or b"")["components"]["schemas"]
    gates = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["schedulingGates"]
    assert gates["x-kubernetes-patch-merge-key"] == "name"
    assert gates["x-kubernetes-list-map-keys"] == ["name"]
    assert schemas["io.k8s.api.core.v1.LocalObjectReference"]["x-kubernetes-map-type"] == "atomic"
    assert schemas["io.k8s.api.core.v1.PodSpec"]["required"] == ["containers"]
