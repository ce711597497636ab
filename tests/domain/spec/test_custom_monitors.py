"""A custom monitor is added to a description and removed from it, or refused in a sentence."""

from typing import Any

import pytest

from domain.kernel.errors import InvalidSpec
from domain.spec.cluster import ClusterSpec, changed
from domain.spec.custom_monitors import make_monitor, with_monitor, without_monitor

COUNT = {"name": "podsOfNode", "script": "docker ps -q | wc -l", "unit": "containers"}
WITH = with_monitor(ClusterSpec(), make_monitor(COUNT))


def test_an_added_monitor_is_stored_as_the_file_would_give_it() -> None:
    assert with_monitor(WITH, make_monitor({**COUNT, "name": "other"})) == changed(
        ClusterSpec(), {"monitoring": {"custom": [COUNT, {**COUNT, "name": "other"}]}}
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        pytest.param({"name": "podsNum"}, "podsNum is a built-in metric", id="built in"),
        pytest.param({"name": "pods-of-node"}, "use letters, digits and _", id="a dash"),
        pytest.param({"name": "x" * 41}, "at most 40", id="long"),
        pytest.param({"timeout": 51}, "timeout", id="slow"),
        pytest.param({"script": "echo 1\r\necho 2\r\n"}, "carriage return in line 1", id="windows"),
        pytest.param({"script": "  \n"}, "the script is empty", id="empty"),
        pytest.param({"script": "x" * 20_001}, "20000 characters", id="long script"),
    ],
)
def test_a_monitor_that_cannot_be_is_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidSpec, match=sentence) as refused:
        make_monitor({**COUNT, **given})
    assert "\n" not in str(refused.value)


def test_a_name_that_the_group_has_already_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="k8s-node has a custom monitor podsOfNode already"):
        with_monitor(WITH, make_monitor(COUNT))
    with_monitor(WITH, make_monitor({**COUNT, "group": "k8s-master"}))


def test_a_group_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="'k8s-fast', which does not exist; known are"):
        with_monitor(ClusterSpec(), make_monitor({**COUNT, "group": "k8s-fast"}))


def test_a_removed_monitor_is_gone_and_others_stay() -> None:
    both = with_monitor(WITH, make_monitor({**COUNT, "group": "k8s-master"}))
    assert without_monitor(both, "podsOfNode", "k8s-master") == WITH
    assert without_monitor(WITH, "podsOfNode", "k8s-node") == ClusterSpec()


def test_only_a_monitor_that_exists_can_be_removed() -> None:
    with pytest.raises(InvalidSpec, match=r"no custom monitor podsNum of group k8s-node.*it has: "):
        without_monitor(WITH, "podsNum", "k8s-node")
    with pytest.raises(InvalidSpec, match="it has: none"):
        without_monitor(ClusterSpec(), "podsOfNode", "k8s-node")


def test_a_monitor_that_a_rule_reads_is_not_removed() -> None:
    rule = {"metric": "podsOfNode", "comparator": ">", "threshold": 9.0, "step": 1}
    scaled = changed(WITH, {"scaling": {"rules": [rule]}})
    with pytest.raises(InvalidSpec, match="scaling policy of group k8s-node reads podsOfNode"):
        without_monitor(scaled, "podsOfNode", "k8s-node")
    alarm = {"name": "many", "metric": "podsOfNode", "comparator": ">", "warning": 9.0}
    watched = changed(WITH, {"alarms": [alarm]})
    with pytest.raises(InvalidSpec, match="rule many is about podsOfNode"):
        without_monitor(watched, "podsOfNode", "k8s-node")
