"""The section `monitoring` of a cluster's description."""

import pytest

from domain.kernel.errors import InvalidSpec
from domain.spec.cluster import ClusterSpec, changed, parse_spec
from domain.spec.monitoring import Monitor

GOOD = {"name": "nginxPods", "script": "docker ps | grep -v pause | wc -l"}


def test_description_of_an_older_release_has_no_custom_monitors() -> None:
    stored = ClusterSpec().model_dump(mode="json")
    del stored["monitoring"]
    assert parse_spec(stored) == ClusterSpec()
    assert parse_spec(stored).monitoring.custom == ()


def test_a_monitor_survives_being_stored() -> None:
    spec = parse_spec({"monitoring": {"custom": [GOOD], "retention_days": 7}})
    assert parse_spec(spec.model_dump(mode="json")) == spec
    assert spec.monitoring.custom == (Monitor(**GOOD),)


def test_monitors_are_replaced_as_a_list() -> None:
    spec = parse_spec({"monitoring": {"custom": [GOOD]}})
    assert changed(spec, {"monitoring": {"custom": []}}).monitoring.custom == ()


@pytest.mark.parametrize(
    ("monitors", "sentence"),
    [
        ([GOOD | {"name": "podsNum"}], "podsNum is a built-in metric; choose another name"),
        ([GOOD | {"name": "two words"}], "monitoring.custom.0.name"),
        (
            [GOOD | {"group": "k8s-nodes"}],
            "k8s-nodes', which does not exist; known are k8s-master, k8s-node",
        ),
        ([GOOD | {"script": ""}], "monitoring.custom.0.script"),
        ([GOOD | {"timeout": 51}], "monitoring.custom.0.timeout"),
        ([GOOD, GOOD], "two monitors nginxPods of k8s-node"),
        ([GOOD | {"colour": "red"}], "known are: name, group, script, timeout, unit"),
    ],
)
def test_a_wrong_monitor_is_named(monitors: list[dict[str, object]], sentence: str) -> None:
    with pytest.raises(InvalidSpec) as info:
        parse_spec({"monitoring": {"custom": monitors}})
    assert sentence in str(info.value)


def test_the_same_name_may_measure_both_groups() -> None:
    both = [GOOD, GOOD | {"group": "k8s-master"}]
    assert len(parse_spec({"monitoring": {"custom": both}}).monitoring.custom) == 2
