"""Several groups of nodes: the runbooks of production make, change and remove them."""

from collections import Counter
from typing import Any

import pytest

from domain.cloud.plan import Action
from domain.cloud.planning import plan_cluster
from domain.cluster.api import Node
from domain.kernel.errors import InvalidSpec
from domain.kernel.names import NODES
from domain.node.install import GROUP_LABEL
from domain.node.marks import TAINTS
from domain.node.ready import WORKER
from domain.spec.cluster import changed
from localcloud.iaas.faults.kinds import StockOut
from tasks.overview import need_spec, read_unfinished, wanted_spec
from tests.flows.runbooks.world import SPEC, World

GPU: dict[str, Any] = {
    "count": 2,
    "template": {
        "instance_type": "e2.2xlarge.r1",
        "labels": {"disk": "ssd"},
        "taints": "gpu=true:NoSchedule",
    },
}
MIXED = changed(SPEC, {"groups": {"gpu": GPU}})


def nodes_of(world: World, group: str) -> list[Node]:
    return [node for node in world.nodes.values() if node.labels[GROUP_LABEL] == group]


def types(world: World) -> Counter[tuple[str, str]]:
    return Counter((machine.name, machine.type_id) for machine in world.machines())


def change(world: World, document: dict[str, Any]) -> None:
    """Provision again with a changed description."""
    cluster = world.open()
    spec = wanted_spec(cluster, need_spec(cluster), document)
    world.provision(spec=spec)


def test_groups_are_made_together_each_by_its_template(world: World) -> None:
    world.provision(spec=MIXED)
    small = SPEC.template(NODES).instance_type
    assert types(world) == {
        ("k8s.demo.k8s-master", small): 1,
        ("k8s.demo.k8s-node", small): 2,
        ("k8s.demo.group.gpu", "e2.2xlarge.r1"): 2,
    }
    for node in nodes_of(world, "gpu"):
        assert node.name.startswith("gpu-")
        assert node.labels["disk"] == "ssd"
        assert WORKER.keys() <= node.labels.keys()
        assert node.taints == ("gpu=true:NoSchedule",)  # registered with it
    assert not any(node.taints for node in nodes_of(world, NODES))
    assert plan_cluster(MIXED, world.open().inventory()).changes == ()
    assert read_unfinished(world.open(), MIXED, api_ready=True) == ()
    world.teardown()
    assert world.resources() == {}


def test_a_group_changes_its_size_and_no_other_does(world: World) -> None:
    world.provision(spec=MIXED)
    others = {machine.id for machine in world.machines() if "gpu" not in machine.name}
    for count in (4, 1, 0, 1):
        world.scale(count, group="gpu")
        assert len(nodes_of(world, "gpu")) == count
        assert others == {machine.id for machine in world.machines() if "gpu" not in machine.name}
    world.scale(3)
    assert (len(nodes_of(world, NODES)), len(nodes_of(world, "gpu"))) == (3, 1)
    assert need_spec(world.open()).count("gpu") == 1


def test_a_group_is_added_to_a_living_cluster_and_removed_when_it_is_empty(world: World) -> None:
    world.provision()
    change(world, {"groups": {"gpu": GPU}})
    assert len(nodes_of(world, "gpu")) == 2
    with pytest.raises(InvalidSpec, match=r"group gpu has 2 machines.* --group gpu --count 0"):
        change(world, {"groups": {"gpu": None}})
    world.scale(0, group="gpu")
    change(world, {"groups": {"gpu": None}})
    assert need_spec(world.open()).group_names == SPEC.group_names


def test_labels_and_taints_of_living_nodes_follow_their_template(world: World) -> None:
    world.provision(spec=MIXED)
    by_hand, other = nodes_of(world, "gpu")
    world.taint(by_hand.name, ["mine:NoExecute"], [])
    world.label(by_hand.name, {"mine": "yes"})
    change(
        world,
        {
            "groups": {
                "gpu": {
                    "template": {"labels": {"disk": None, "zone": "a"}, "taints": "b:NoExecute"}
                }
            }
        },
    )
    found = world.nodes[by_hand.name]
    assert found.taints == ("mine:NoExecute", "b:NoExecute")
    assert {"mine", "zone"} <= found.labels.keys()
    assert world.nodes[other.name].taints == ("b:NoExecute",)
    assert world.annotations[other.name][TAINTS] == "b:NoExecute"


def test_an_interrupted_change_of_a_label_is_finished_by_the_next_run(world: World) -> None:
    world.provision(spec=MIXED)
    [node, _] = nodes_of(world, "gpu")
    world.label(node.name, {"disk": None})
    world.taint(node.name, [], ["gpu=true:NoSchedule"])
    world.provision(spec=MIXED)
    assert world.nodes[node.name].labels["disk"] == "ssd"
    assert world.nodes[node.name].taints == ("gpu=true:NoSchedule",)


def test_machines_of_a_group_that_is_not_described_are_kept_and_torn_down(world: World) -> None:
    world.provision(spec=MIXED)
    known = world.machines()
    del world.objects["ConfigMap", "kube-system", "cluster-spec"]
    world.provision()  # as after a loss of the description
    assert {machine.id for machine in known} <= {machine.id for machine in world.machines()}
    plan = plan_cluster(SPEC, world.open().inventory())
    kept = [item for item in plan.items if item.name == "k8s.demo.group.gpu"]
    assert {item.action for item in kept} == {Action.KEEP}
    assert "2 more than wanted" in kept[0].reason
    world.teardown()
    assert world.resources() == {}


def test_a_type_that_is_out_of_stock_is_replaced_by_the_next_one_of_the_template(
    world: World,
) -> None:
    world.daemon.iaas.faults.add(StockOut(type="e2.*"))
    template = {"instance_type": "e2.2xlarge.r1", "fallback_types": ["s1.xlarge.r2"]}
    spec = changed(SPEC, {"groups": {"gpu": {"count": 2, "template": template}}})
    world.provision(spec=spec)
    assert types(world)["k8s.demo.group.gpu", "s1.xlarge.r2"] == 2
    machines = [item for item in plan_cluster(spec, world.open().inventory()).items if item.id]
    assert not any("is for new machines" in item.reason for item in machines)
