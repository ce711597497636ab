"""What is not finished, and which command finishes it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from domain.cloud.inventory import Inventory
from domain.cloud.records import Tag
from domain.cluster.api import Node
from domain.kernel.names import MASTERS, node_name
from domain.node.f2cadm import ROSTER, digest, roster_of, servers_table
from domain.node.install import INSTANCE_LABEL
from domain.node.ready import INSTANCE_ANNOTATION
from domain.reports.unfinished import InCluster, Unfinished, find_unfinished
from domain.spec.cluster import ClusterSpec
from tests.domain.makers import make_instance, make_view

MADE = make_view(ClusterSpec())
WHOLE = replace(MADE, tag=Tag("tag-1", "k8s-demo", tuple(MADE.resource_ids)))
PROVISION = "python -m flows.provision --name demo"


def nodes_of(seen: Inventory) -> Sequence[Node]:
    table = digest(servers_table(roster_of(seen)))
    return [
        Node(
            node_name(seen.group_of(one), one.id),
            one.private_ip,
            True,
            True,
            40,
            labels={INSTANCE_LABEL: one.id},
            annotations={INSTANCE_ANNOTATION: one.id, ROSTER: table},
        )
        for one in seen.instances
    ]


NODES_OF_WHOLE = InCluster(nodes_of(WHOLE), wanted={"k8s-node": 2})


def test_a_whole_cluster_and_no_cluster_are_finished() -> None:
    assert find_unfinished(WHOLE, NODES_OF_WHOLE) == ()
    assert find_unfinished(Inventory("demo"), None) == ()


def test_a_teardown_that_has_begun_is_the_only_thing_to_finish() -> None:
    rest = replace(WHOLE, instances=(), address=None)
    down = "python -m flows.teardown --name demo"
    found = find_unfinished(rest, None, is_ending=True)
    assert found == (Unfinished("cluster demo", "is being torn down", down),)


LEFT: dict[str, tuple[Inventory, str]] = {
    "network alone": (
        Inventory("demo", vpc=WHOLE.vpc),
        "cluster demo has no private network, no public address, no load balancer, no firewall, "
        "no security group of the machines, no key pair, no master",
    ),
    "no master": (replace(WHOLE, instances=WHOLE.nodes), "cluster demo has no master"),
    "address": (
        replace(WHOLE, address=WHOLE.address and replace(WHOLE.address, bound_to="")),
        "is not bound to the router",
    ),
    "forwards": (replace(WHOLE, forwards=()), "forwards no port"),
    "listeners": (replace(WHOLE, listeners=(), backends=()), "has no listener"),
    "backends": (replace(WHOLE, backends=WHOLE.backends[1:]), "has no backend"),
    "old backend": (
        replace(WHOLE, backends=(*WHOLE.backends, replace(WHOLE.backends[0], instance_id="i-9"))),
        "is of machine i-9, which is gone",
    ),
    "balancer": (
        replace(WHOLE, balancer=WHOLE.balancer and replace(WHOLE.balancer, is_applied=False)),
        "has changes that are not applied",
    ),
    "tag": (replace(WHOLE, tag=Tag("tag-1", "k8s-demo", ("i-k8s-node1",))), "is missing on"),
}


@pytest.mark.parametrize("case", LEFT, ids=list(LEFT))
def test_what_the_cloud_shows_is_finished_by_provision(case: str) -> None:
    seen, words = LEFT[case]
    found = find_unfinished(seen, None)
    assert any(words in f"{one.resource} {one.state}" for one in found), found
    assert {one.command for one in found} == {PROVISION}


def test_nodes_and_machines_without_each_other_are_named() -> None:
    lost = Node("k8s-node-9", "", True, True, 40, labels={INSTANCE_LABEL: "i-9"})
    by_hand = Node("mine", "", True, True, 40)
    found = find_unfinished(
        WHOLE, InCluster([*nodes_of(WHOLE)[1:], lost, by_hand], {"k8s-node": 2})
    )
    assert [f"{one.resource} {one.state}" for one in found] == [
        f"machine {WHOLE.instances[0].id} is billed and is not a node",
        "node k8s-node-9 has no machine any more",
    ]


def test_a_description_that_does_not_fit_is_named_with_its_command() -> None:
    nodes = nodes_of(WHOLE)
    (missing,) = find_unfinished(WHOLE, InCluster(nodes))
    assert missing == Unfinished("cluster demo", "has no stored description", PROVISION)
    (fewer,) = find_unfinished(WHOLE, InCluster(nodes, {"k8s-node": 3}))
    assert (fewer.state, fewer.command) == ("has 2 of 3 machines", PROVISION)
    (more,) = find_unfinished(WHOLE, InCluster(nodes, {"k8s-node": 1}))
    assert more.command == "python -m flows.scale --name demo --count 1"
    (token,) = find_unfinished(WHOLE, InCluster(nodes, {"k8s-node": 2}, ["qc1234"]))
    assert token.resource == "join token qc1234"


def test_labels_and_tables_that_a_killed_run_has_not_written_are_named() -> None:
    first, second, third = nodes_of(WHOLE)
    bare = replace(first, annotations={ROSTER: first.annotations[ROSTER]})
    old = replace(second, annotations={**second.annotations, ROSTER: "before"})
    found = find_unfinished(WHOLE, InCluster([bare, old, third], {"k8s-node": 2}))
    assert [f"{one.resource} {one.state}" for one in found] == [
        f"node {bare.name} lacks labels or annotations that our runs set",
        f"f2cadm on machine {second.labels[INSTANCE_LABEL]} does not list the present machines",
    ]
    assert {one.command for one in found} == {PROVISION}


def test_machines_are_not_judged_while_the_api_does_not_answer() -> None:
    new = make_instance(9, MASTERS)
    (silent,) = find_unfinished(replace(MADE, instances=(*MADE.instances, new), tag=None), None)
    assert (silent.resource, silent.command) == ("Kubernetes API", PROVISION)
