"""Groups of nodes beside `k8s-node`: names, templates, labels and taints, sizes."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.errors import InvalidSpec
from domain.kernel.names import FURTHER_GROUP, MASTERS, NODES, Names, cluster_of, node_name
from domain.spec.cluster import ClusterSpec, changed, parse_spec
from domain.spec.labels import EFFECTS, parse_taint

GPU = {"count": 1, "template": {"instance_type": "g1.large", "taints": "gpu=true:NoSchedule"}}
MIXED = parse_spec({"groups": {"gpu": GPU}})


def test_the_short_form_is_the_group_k8s_node() -> None:
    spec = parse_spec({"nodes": {"count": 3}, "groups": {"gpu": GPU}})
    assert spec.group_names == (MASTERS, NODES, "gpu")
    assert [spec.count(group) for group in spec.group_names] == [1, 3, 1]
    assert spec.template("gpu").instance_type == "g1.large"
    assert (spec.wanted, spec.largest) == (5, 21)


def test_a_group_is_changed_alone_and_keeps_what_is_not_given() -> None:
    spec = MIXED.with_count("gpu", 4)
    assert (spec.count("gpu"), spec.count(NODES)) == (4, 2)
    assert spec.groups["gpu"].template.taints == ("gpu=true:NoSchedule",)


def test_a_group_is_removed_by_giving_it_as_empty() -> None:
    assert changed(MIXED, {"groups": {"gpu": None}}).group_names == (MASTERS, NODES)


def test_further_groups_begin_empty() -> None:
    assert parse_spec({"groups": {"spare": {}}}).count("spare") == 0


@pytest.mark.parametrize(
    ("groups", "sentence"),
    [
        ({"k8s-node": {}}, "k8s-node is described by `nodes`"),
        ({"k8s-master": {}}, "k8s-master is described by `masters`"),
        ({"GPU": {}}, "'GPU' is no name of a group: use lower-case letters"),
        ({"a" * 21: {}}, "at most 20"),
        ({"gpu": {}, "gpu-large": {}}, "group gpu-large begins with the name of group gpu"),
        ({"k8s-node-large": {}}, "begins with the name of group k8s-node"),
        ({"k8s": {}}, "group k8s-master begins with the name of group k8s"),
        ({"gpu": {"count": 11}}, "groups.gpu: count 11 is outside 0 to 10"),
        ({"gpu": {"size": 1}}, "unknown key 'groups.gpu.size'"),
        ({"gpu": {"template": {"labels": {"a b": "c"}}}}, "'a b' is no key of Kubernetes"),
        ({"gpu": {"template": {"labels": {"a": "b c"}}}}, "a: 'b c' is no value of a label"),
        ({"gpu": {"template": {"labels": {"a": 1}}}}, "groups.gpu.template.labels.a"),
        (
            {"gpu": {"template": {"labels": {"node-role.kubernetes.io/gpu": ""}}}},
            "keys of node-role.kubernetes.io are set by Kubernetes or by us",
        ),
        ({"gpu": {"template": {"labels": {"k8s-qingcloud/group": "x"}}}}, "keys of k8s-qingcloud"),
        ({"gpu": {"template": {"taints": "gpu"}}}, "'gpu' is no taint such as gpu=true:NoSchedule"),
        ({"gpu": {"template": {"taints": ["a:NoRun"]}}}, "effects are NoSchedule, PreferNoSched"),
        (
            {"gpu": {"template": {"taints": ["a=1:NoSchedule", "a=2:NoSchedule"]}}},
            "a has two taints of effect NoSchedule",
        ),
        ({"gpu": {"template": {"resources": {"cpu": 2}}}}, "'cpu' is no extended resource such as"),
        ({"gpu": {"template": {"resources": {"k8s.io/x": 1}}}}, "keys of k8s.io are set by"),
        ({"gpu": {"template": {"resources": {"a.b/gpu": 0}}}}, "a.b/gpu: give the amount of one"),
        ({"gpu": {"template": {"resources": {"a.b/gpu": "1"}}}}, "resources"),
        ({"gpu": {"scaling": {"group": "k8s-master"}}}, "k8s-master cannot be scaled"),
        ({"gpu": {"scaling": {"group": "cpu"}}}, "the policy of group gpu is of group 'cpu'"),
        ({"gpu": {"scaling": {"preset": "mine"}}}, "unknown preset 'mine'"),
        ({"large": {"maximum": 5000, "count": 0}, "huge": {"maximum": 5000}}, "no room for"),
    ],
)
def test_wrong_groups_are_refused_by_name(groups: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidSpec) as info:
        parse_spec({"groups": groups})
    assert sentence in str(info.value)


def test_a_taint_on_every_group_is_refused() -> None:
    tainted = {"template": {"taints": "mine:NoSchedule"}}
    with pytest.raises(
        InvalidSpec, match=r"each group of nodes has a taint .k8s-node: mine:NoSche"
    ):
        parse_spec({"nodes": tainted})
    with pytest.raises(InvalidSpec, match="leave one group without"):
        parse_spec({"nodes": tainted, "groups": {"gpu": GPU}})
    parse_spec({"nodes": {"template": {"taints": "mine:PreferNoSchedule"}}})
    parse_spec({"nodes": tainted, "groups": {"plain": {}}})


@pytest.mark.parametrize("count", [0, 2, 4, 6, True])
def test_masters_are_one_three_or_five(count: int) -> None:
    with pytest.raises(InvalidSpec, match=r"use 1, 3 or 5 masters|whole number"):
        changed(ClusterSpec(), {"masters": {"count": count}})
    assert changed(ClusterSpec(), {"masters": {"count": 3}}).masters.count == 3


def test_only_a_described_group_changes_its_size() -> None:
    with pytest.raises(InvalidSpec, match=r"unknown group 'cpu'; .*: k8s-node, gpu"):
        MIXED.with_count("cpu", 1)
    assert MIXED.with_count(MASTERS, 5).masters.count == 5


def test_rules_and_monitors_of_a_further_group_are_accepted_and_of_others_refused() -> None:
    rule = {"name": "hot", "metric": "cpu", "warning": 1, "group": "gpu"}
    monitor = {"name": "heat", "script": "echo 1", "group": "gpu"}
    document = {"alarms": [rule], "monitoring": {"custom": [monitor]}}
    assert changed(MIXED, document).alarms[0].group == "gpu"
    with pytest.raises(InvalidSpec, match="group 'gpu', which does not exist"):
        parse_spec(document)


def test_a_policy_is_of_the_group_that_it_is_written_in() -> None:
    spec = parse_spec({"groups": {"gpu": {"scaling": {"preset": "pending"}}}})
    policy = spec.policy("gpu")
    assert policy is not None
    assert not isinstance(policy, dict)
    assert policy.model_dump()["group"] == "gpu"
    assert spec.policy(NODES) is None


NAMES = st.from_regex(FURTHER_GROUP, fullmatch=True)
CLUSTERS = st.from_regex(r"[a-z]([a-z0-9-]{0,12}[a-z0-9])?", fullmatch=True)


@given(cluster=CLUSTERS, group=NAMES | st.sampled_from([MASTERS, NODES]))
def test_the_group_and_the_cluster_of_a_machine_are_found_by_its_name(
    cluster: str, group: str
) -> None:
    name = Names(cluster).group(group)
    assert Names(cluster).find_group(name) == group
    assert cluster_of(name) == cluster
    assert re.fullmatch(r"[a-z0-9-]{1,63}", node_name(group, "i-1a2b3c4d"))


@given(cluster=CLUSTERS, group=NAMES)
def test_no_group_has_the_name_of_another_resource(cluster: str, group: str) -> None:
    names = Names(cluster)
    others = (names.router, names.address, names.balancer, names.firewall, names.keypair)
    assert names.group(group) not in others
    assert not any(map(names.find_group, others))
    assert not names.group(group).startswith(names.vxnets)


@given(
    key=st.from_regex(r"([a-z]{1,9}\.[a-z]{2,3}/)?[A-Za-z0-9]{1,20}", fullmatch=True),
    value=st.from_regex(r"[A-Za-z0-9]{0,20}", fullmatch=True),
    effect=st.sampled_from(EFFECTS),
)
def test_a_taint_is_read_as_it_was_written(key: str, value: str, effect: str) -> None:
    equals = "=" if value else ""
    assert parse_taint(f"{key}{equals}{value}:{effect}") == (key, value, effect)


def test_a_whole_description_is_stored_and_read_again() -> None:
    assert parse_spec(MIXED.model_dump(mode="json"), stored=True) == MIXED
    assert ClusterSpec().groups == {}
