"""Validation: every error of an object is reported, with the real server's messages."""

from typing import Any

import pytest
import yaml

from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.validation import complete_and_check
from tests.localcloud.kubernetes.replay.replaying import CASES

FAULTS = yaml.safe_load((CASES / "faults.yaml").read_text(encoding="utf-8"))
WISHES = yaml.safe_load((CASES / "placement-faults.yaml").read_text(encoding="utf-8"))
KINDS = {kind.kind: kind for kind in kinds.KINDS}
OWNER = {"apiVersion": "v1", "kind": "Node", "name": "x", "uid": "1"}


def faults(kind: Kind, body: dict[str, Any], before: dict[str, Any] | None = None) -> list[str]:
    """Return the errors of an object, as `field: message`."""
    whole = {"kind": kind.kind, **body, "metadata": {"name": "a", **body.get("metadata", {})}}
    found = complete_and_check(kind, whole, before)
    return [f"{cause.field}: {cause.message}" for cause in found]


@pytest.mark.parametrize("case", FAULTS, ids=lambda case: f"{case['kind']} {case['body']}"[:60])
def test_errors_of_a_body_are_those_of_the_real_server(case):
    assert faults(KINDS[case["kind"]], case["body"]) == case["faults"]


@pytest.mark.parametrize("case", WISHES, ids=lambda case: str(case["spec"]))
def test_errors_of_placement_fields_are_those_of_the_real_server(case):
    spec = {**case["spec"], "containers": [{"name": "a", "image": "b"}]}
    pod = {"metadata": {"labels": {"v": "1"}}, "spec": spec}
    assert faults(kinds.POD, pod) == case["faults"]


def test_numbers_compare_in_node_affinity_whatever_their_text_is():
    terms = [{"matchExpressions": [{"key": "size", "operator": "Gt", "values": ["large"]}]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    spec = {"affinity": {"nodeAffinity": required}, "containers": [{"name": "a", "image": "b"}]}
    assert faults(kinds.POD, {"spec": spec}) == []


@pytest.mark.parametrize(
    ("kind", "body", "fault"),
    [
        (
            kinds.CONFIG_MAP,
            {"metadata": {"annotations": {"a": "v" * 262144}}},
            "metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
        (
            kinds.CONFIG_MAP,
            {"data": {"a": "v" * 1048577}},
            "[]: Too long: may not be more than 1048576 bytes",
        ),
        (
            kinds.CONFIG_MAP,
            {"metadata": {"name": "a" * 254}},
            f'metadata.name: Invalid value: "{"a" * 254}": must be no more than 253 characters',
        ),
    ],
    ids=["annotations", "contents", "name"],
)
def test_size_has_limits(kind, body, fault):
    assert faults(kind, body) == [fault]


def test_a_label_key_with_two_slashes_is_invalid():
    (found,) = faults(kinds.CONFIG_MAP, {"metadata": {"labels": {"x/y/z": "1"}}})
    assert 'Invalid value: "x/y/z": a valid label key must consist of' in found
    assert found.endswith("prefix and '/' (e.g. 'example.com/MyName')")


def test_the_prefix_of_a_label_key_is_a_dns_name():
    (found,) = faults(kinds.CONFIG_MAP, {"metadata": {"labels": {"UP.x/ok": "1"}}})
    assert 'Invalid value: "UP.x/ok": prefix part a lowercase RFC 1123 subdomain must' in found


def test_only_one_owner_controls():
    owners = [{**OWNER, "controller": True}, {**OWNER, "name": "y", "controller": True}]
    (found,) = faults(kinds.CONFIG_MAP, {"metadata": {"ownerReferences": owners}})
    assert found.endswith('Found "true" in references for Node/x and Node/y')


def test_a_leaving_object_gets_no_new_finalizer():
    before = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["ex.com/x"]}}
    body = {"metadata": {"finalizers": ["ex.com/x", "ex.com/y"]}}
    (found,) = faults(kinds.CONFIG_MAP, body, before)
    assert found.endswith('found new finalizers []string{"ex.com/y"}')
    assert faults(kinds.CONFIG_MAP, before, before) == []


def test_all_errors_of_a_pod_are_reported_at_once():
    container = {"name": "c", "image": "nginx"}
    spec = {
        "containers": [container, container, {"name": "d"}],
        "initContainers": [container],
        "restartPolicy": "Sometimes",
        "tolerations": [{"key": "c", "effect": "Nope"}, {"operator": "Equal", "value": "x"}],
        "volumes": [{"name": "v"}, {"name": "v"}],
    }
    assert faults(kinds.POD, {"spec": spec}) == [
        'spec.volumes[1].name: Duplicate value: "v"',
        'spec.containers[1].name: Duplicate value: "c"',
        "spec.containers[2].image: Required value",
        'spec.initContainers[0].name: Duplicate value: "c"',
        'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", '
        '"OnFailure", "Never"',
        'spec.tolerations[0].effect: Unsupported value: "Nope": supported values: "NoSchedule", '
        '"PreferNoSchedule", "NoExecute"',
        'spec.tolerations[1].operator: Invalid value: "Equal": operator must be Exists when `key` '
        'is empty, which means "match all values and all keys"',
    ]


@pytest.mark.parametrize(
    ("resources", "fault"),
    [
        ({"limits": {"example.com/gpu": "1"}}, None),
        ({"requests": {"example.com/gpu": "1"}, "limits": {"example.com/gpu": 1}}, None),
        ({"requests": {"cpu": "1", "kubernetes.io/x": "1"}}, None),
        (
            {"requests": {"example.com/gpu": "1"}},
            "limits: Required value: Limit must be set for non overcommitable resources",
        ),
        (
            {"requests": {"example.com/gpu": "1"}, "limits": {"example.com/gpu": "2"}},
            'requests: Invalid value: "1": must be equal to example.com/gpu limit of 2',
        ),
    ],
)
def test_devices_are_not_overcommitted(resources, fault):
    container = {"name": "a", "image": "a", "resources": resources}
    found = faults(kinds.POD, {"spec": {"containers": [container]}})
    assert found == ([f"spec.containers[0].resources.{fault}"] if fault else [])
