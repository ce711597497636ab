"""The description of a cluster: what is accepted, and the one sentence for what is not."""

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.errors import InvalidSpec
from domain.spec.cluster import ClusterSpec, changed, overlay, parse_spec


def test_an_empty_description_gives_the_article_s_cluster() -> None:
    spec = parse_spec({})
    assert (spec.name, spec.masters.count, spec.nodes.count) == ("demo", 1, 2)
    assert (spec.access.api_port, spec.kubernetes.pods_per_node) == (8080, 40)
    assert spec.kubernetes.max_pods == 42


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        pytest.param({"name": "Big"}, "lower-case letters", id="upper case name"),
        pytest.param({"name": "a" * 15}, "at most 14", id="long name"),
        pytest.param({"name": "a-"}, "lower-case letters", id="name ends with a dash"),
        pytest.param({"nodez": {}}, "unknown key 'nodez'; known are: name,", id="unknown key"),
        pytest.param(
            {"nodes": {"cout": 1}}, "unknown key 'nodes.cout'; known are: count,", id="below"
        ),
        pytest.param({"nodes": {"count": 11}}, "outside 0 to 10", id="count above maximum"),
        pytest.param({"nodes": {"count": -1}}, "nodes.count", id="negative count"),
        pytest.param(
            {"kubernetes": {"package_mirror": "aliyun,tuna"}},
            "kubernetes.package_mirror.*use aliyun, tuna, upstream or URLs",
            id="odd mirror",
        ),
        pytest.param(
            {"kubernetes": {"pull_mirrors": {"docker.io": "mirror.example.org"}}},
            "kubernetes.pull_mirrors.*is not a registry with the URL of its mirror",
            id="pull mirror without a scheme",
        ),
        pytest.param(
            {"kubernetes": {"image_repository": "registry.example.org/a\nb"}},
            "use registries with their paths",
            id="image repository of two lines",
        ),
        pytest.param(
            {"network": {"pod_cidr": "192.168.0.0/17"}}, "overlaps pod_cidr", id="overlap"
        ),
        pytest.param({"network": {"pod_cidr": "10.244.0.0/28"}}, "no room for 11", id="too small"),
        pytest.param({"network": {"vpc_cidr": "10.0.0.0/16"}}, "QingCloud accepts", id="vpc"),
        pytest.param({"network": {"first_vxnet": "172.16.1.0/24"}}, "inside", id="vxnet outside"),
        pytest.param({"network": {"service_cidr": "x"}}, "not a network such as", id="no network"),
        pytest.param({"access": {"ui_port": 8080}}, "taken by api_port", id="port twice"),
        pytest.param({"access": {"api_port": 6443}}, "the nodes' own listener", id="port 6443"),
        pytest.param({"access": {"ssh_port": 22}}, "1024", id="low port"),
        pytest.param({"access": {"allowed_cidrs": ["1.2.3.4/8"]}}, "host bits", id="sources"),
        pytest.param({"nodes": 3}, "nodes must hold keys such as count", id="no keys"),
        pytest.param({"kubernetes": {"version": "latest"}}, "such as 1.36.4", id="version"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_it(
    document: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InvalidSpec, match=sentence) as caught:
        parse_spec(document)
    assert "\n" not in str(caught.value)


def test_a_change_is_checked_against_the_whole() -> None:
    spec = changed(ClusterSpec(), {"nodes": {"maximum": 3}})
    with pytest.raises(InvalidSpec, match="outside 0 to 3"):
        spec.with_count("k8s-node", 4)


def test_values_that_a_form_leaves_out_keep_their_stored_value() -> None:
    before = parse_spec({"nodes": {"count": 5}, "scaling": {"preset": "pending"}})
    form = parse_spec({"nodes": {"maximum": 20}})
    after = changed(before, form.given)
    assert (after.nodes.count, after.nodes.maximum, after.scaling) == (5, 20, before.scaling)
    assert changed(before, after.given) == after  # what was laid together says everything


def test_an_overlay_replaces_lists_and_merges_the_rest() -> None:
    below = {"a": {"b": 1, "c": [1, 2]}, "d": 4}
    assert overlay(below, {"a": {"c": [3]}}) == {"a": {"b": 1, "c": [3]}, "d": 4}
    assert below == {"a": {"b": 1, "c": [1, 2]}, "d": 4}


@given(
    maximum=st.integers(1, 2000),
    pods=st.integers(1, 250),
    prefix=st.integers(11, 24),
)
def test_every_accepted_size_has_pod_addresses_for_all_its_machines(
    maximum: int, pods: int, prefix: int
) -> None:
    network = IPv4Network((int(IPv4Network("10.128.0.0/9").network_address), prefix))
    document = {
        "nodes": {"count": 0, "maximum": maximum},
        "kubernetes": {"pods_per_node": pods},
        "network": {"pod_cidr": str(network)},
    }
    try:
        spec = parse_spec(document)
    except InvalidSpec:
        return
    shares = 2 ** (spec.node_cidr_mask - network.prefixlen)
    assert shares >= maximum + spec.masters.count
    assert 2 ** (32 - spec.node_cidr_mask) - 2 >= spec.kubernetes.max_pods


@given(number=st.integers(1, 250))
def test_vxnets_of_different_numbers_never_overlap(number: int) -> None:
    network = ClusterSpec().network
    one, next_one = network.vxnet_cidr(number), network.vxnet_cidr(number + 1)
    assert not IPv4Network(one).overlaps(IPv4Network(next_one))
    assert IPv4Network(one).subnet_of(IPv4Network(network.vpc_cidr))
