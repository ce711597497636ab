from dataclasses import replace
from xml.etree import ElementTree

import pytest

from domain.reports.cluster import ClusterReport, Endpoint
from domain.reports.drawing import draw_topology
from tests.report_makers import make_machine, make_many, make_node, make_report

SVG = "{http://www.w3.org/2000/svg}"


def read_texts(picture: str) -> list[str]:
    """All written words of a picture, which parses as XML."""
    return [element.text or "" for element in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def test_topology_names_everything_between_the_internet_and_the_machines() -> None:
    texts = read_texts(draw_topology(make_report()))
    for words in (
        "Cluster demo",
        "Internet",
        "127.0.16.1",
        "8080 API",
        "8443 UI",
        "10022 SSH",
        "192.168.0.0/16",
        "192.168.1.253",
        "Private network 192.168.1.0/24",
        "k8s-master",
        "k8s-node-a",
        "192.168.1.3",
        "s1.large.r2",
        "3 of 40 pods",
    ):
        assert words in texts


def test_topology_lists_the_listeners_of_the_balancer() -> None:
    texts = read_texts(draw_topology(make_report()))
    assert "8080, 6443 → apiserver" in texts
    assert "8443 → kube-ui" in texts


def test_states_differ_in_words_and_sign_not_only_in_colour() -> None:
    def picture(**changes: object) -> str:
        return draw_topology(make_report(machines=(machine,), **changes))

    machine = make_machine("k8s-node-a")
    pictures = {
        "Ready": picture(nodes=(make_node(),)),
        "NotReady": picture(nodes=(make_node(ready=False),)),
        "cordoned": picture(nodes=(make_node(schedulable=False),)),
        "no node": picture(nodes=()),
    }
    drawn = set()
    for words, svg in pictures.items():
        assert words in read_texts(svg)
        shapes = [path.get("d") for path in ElementTree.fromstring(svg).iter(f"{SVG}path")]
        drawn.add(tuple(shapes))
    assert len(drawn) == len(pictures)


def test_endpoint_that_does_not_answer_has_another_sign_than_one_that_does() -> None:
    well = draw_topology(make_report())
    ill = draw_topology(make_report(api=Endpoint("https://127.0.16.1:8080", ready=False)))
    assert well != ill
    assert read_texts(well) == read_texts(ill)


def test_markup_in_names_is_escaped() -> None:
    evil = "<script>alert('&')</script>"
    picture = draw_topology(make_report(cluster=evil, machines=(make_machine(group=evil),)))
    assert "<script" not in picture
    assert f"Cluster {evil}" in read_texts(picture)


def test_character_that_xml_cannot_hold_is_replaced() -> None:
    assert "Cluster a\ufffdb" in read_texts(draw_topology(make_report(cluster="a\x1bb")))


def test_sixty_nodes_are_twenty_cards_and_a_count() -> None:
    texts = read_texts(draw_topology(make_many(60)))
    assert sum(text.startswith("k8s-node-") for text in texts) == 20
    assert "… and 40 more: 40 Ready" in texts


def test_nodes_that_are_not_ready_are_shown_first() -> None:
    report = make_many(60)
    nodes = (*report.nodes[:-1], make_node("k8s-node-059", ready=False))
    texts = read_texts(draw_topology(replace(report, nodes=nodes)))
    assert "k8s-node-059" in texts
    assert "… and 40 more: 40 Ready" in texts


def test_many_networks_share_the_room_for_cards() -> None:
    machines = tuple(
        make_machine(f"k8s-node-{net}-{host}", private_ip=f"192.168.{net}.{host}")
        for net in range(1, 21)
        for host in range(2, 32)
    )
    vxnets = tuple(f"192.168.{net}.0/24" for net in range(1, 21))
    picture = draw_topology(make_report(machines=machines, nodes=(), vxnets=vxnets))
    texts = read_texts(picture)
    assert sum(text.startswith("k8s-node-") for text in texts) == 20 * 4
    assert texts.count("… and 26 more: 26 without a node") == 20


def test_machine_without_an_address_has_a_box_of_its_own() -> None:
    machines = (make_machine("k8s-node-a", private_ip="", status="pending"),)
    texts = read_texts(draw_topology(make_report(machines=machines, nodes=())))
    assert "In no known network" in texts
    assert "no address yet" in texts
    assert "no node (pending)" in texts


def test_node_whose_machine_is_gone_is_named() -> None:
    nodes = (make_node("k8s-node-gone", ready=False),)
    texts = read_texts(draw_topology(make_report(nodes=nodes)))
    assert "Nodes without a machine: k8s-node-gone" in texts


def test_empty_topology_names_the_missing_parts() -> None:
    nothing = ClusterReport("demo", "", Endpoint("", ready=False), Endpoint("", ready=False))
    texts = read_texts(draw_topology(nothing))
    for words in ("no public address", "no router", "no load balancer", "no private network"):
        assert words in texts


@pytest.mark.parametrize("url", ["https://127.0.16.1", "https://[::1", "https://h:99999", "word"])
def test_url_without_a_usable_port_is_no_failure(url: str) -> None:
    texts = read_texts(draw_topology(make_report(api=Endpoint(url, ready=True))))
    assert "8443 UI" in texts
    assert not any(text.endswith(" API") for text in texts)


def test_long_words_are_cut_with_an_ellipsis() -> None:
    texts = read_texts(draw_topology(make_report(machines=(make_machine("k8s-node-" + "x" * 90),))))
    [name] = [text for text in texts if text.startswith("k8s-node-x")]
    assert name.endswith("…")
    assert len(name) < 30


def test_picture_brings_its_own_background() -> None:
    root = ElementTree.fromstring(draw_topology(make_report()))
    background = root.find(f"{SVG}rect")
    assert background is not None
    assert background.get("fill") == "#ffffff"
    assert float(background.get("width", 0)) >= float(root.get("width", 0)) - 1
