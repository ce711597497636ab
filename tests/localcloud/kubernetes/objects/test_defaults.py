"""Defaults of pods and pod templates."""

from typing import Any

import pytest

from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.defaults import complete

BOTH = {"cpu": "1", "memory": "1Gi"}


def completed_pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    pod: dict[str, Any] = {"metadata": {}, "spec": {"containers": list(containers), **spec}}
    complete(kinds.POD, pod)
    return pod


def test_a_limit_of_a_pod_is_a_request_too_but_not_in_a_template():
    limited = {"resources": {"limits": BOTH, "requests": {"cpu": "500m"}}}
    pod = completed_pod(limited, initContainers=[{"resources": {"limits": BOTH}}])
    assert pod["spec"]["containers"][0]["resources"]["requests"] == {**BOTH, "cpu": "500m"}
    assert pod["spec"]["initContainers"][0]["resources"]["requests"] == BOTH
    template = {"spec": {"containers": [{"resources": {"limits": BOTH}}]}}
    complete(kinds.DEPLOYMENT, {"metadata": {}, "spec": {"template": template}})
    assert template["spec"]["containers"][0]["resources"] == {"limits": BOTH}


def test_a_volume_without_a_source_is_an_empty_folder():
    assert completed_pod(volumes=[{"name": "v"}])["spec"]["volumes"] == [
        {"name": "v", "emptyDir": {}}
    ]


@pytest.mark.parametrize(
    ("containers", "init", "quality"),
    [
        ([{}], [], "BestEffort"),
        ([{"requests": {"ephemeral-storage": "1Gi", "cpu": "0"}}], [], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], [], "Burstable"),
        ([{"limits": BOTH}], [], "Guaranteed"),
        ([{"limits": {**BOTH, "example.com/gpu": "1"}}], [{"limits": BOTH}], "Guaranteed"),
        ([{"limits": BOTH}, {}], [], "Burstable"),
        ([{"limits": BOTH}], [{}], "Burstable"),
        ([{}], [{"requests": {"memory": "1Mi"}}], "Burstable"),
        ([{"limits": BOTH, "requests": {"cpu": "500m"}}], [], "Burstable"),
    ],
)
def test_all_containers_decide_on_the_quality_of_service(containers, init, quality):
    made = [{"resources": resources} for resources in containers]
    pod = completed_pod(*made, initContainers=[{"resources": resources} for resources in init])
    assert pod["status"]["qosClass"] == quality


def test_match_label_keys_become_values_of_the_selectors():
    app = {"matchLabels": {"app": "web"}}
    keys = {"matchLabelKeys": ["version", "absent"], "mismatchLabelKeys": ["tenant"]}
    term = {"topologyKey": "zone", **keys}
    constraint = {"topologyKey": "zone", "matchLabelKeys": ["version"], "labelSelector": {**app}}
    spec: dict[str, Any] = {
        "affinity": {
            "podAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {**term, "labelSelector": {**app}},
                    {**term},
                ]
            }
        },
        "topologySpreadConstraints": [constraint],
    }
    pod = {"metadata": {"labels": {"version": "1", "tenant": "a"}}, "spec": spec}
    for _ in range(2):  # every update completes a pod again
        complete(kinds.POD, pod)
    version = {"key": "version", "operator": "In", "values": ["1"]}
    tenant = {"key": "tenant", "operator": "NotIn", "values": ["a"]}
    terms = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert terms[0]["labelSelector"] == {**app, "matchExpressions": [version, tenant]}
    assert "labelSelector" not in terms[1]
    assert constraint["labelSelector"] == {**app, "matchExpressions": [version]}
