"""The snapshot from the states of cluster and group: our machines, templates of new ones."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.autoscaling.see.snapshot import Resources, SeenNode, SeenPod, Snapshot
from domain.autoscaling.see.state import (
    DISK_FOR_PODS,
    KUBELET_KEEPS,
    ClusterState,
    GroupState,
    Marked,
    find_templates,
    take_snapshot,
    unseen_types,
)
from domain.cloud.records import Instance, InstanceStatus, InstanceType
from domain.spec.cluster import ClusterSpec
from domain.spec.scaling import ScalingPolicy

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
GIB = 2**30
ROOM = Resources(cpu_millis=2000, memory_bytes=2 * GIB, others=(("ephemeral-storage", 30 * GIB),))
DISK = "ephemeral-storage"
DAEMON = SeenPod("kube-system", "proxy", "DaemonSet", Resources(100, GIB // 4, ((DISK, GIB),)))
LABELS = {
    "k8s-qingcloud/group": "k8s-node",
    "k8s-qingcloud/instance": "i-a",
    "kubernetes.io/hostname": "k8s-node-a",
    "kubernetes.io/arch": "amd64",
}
NODE = SeenNode("k8s-node-a", allocatable=ROOM, pods=(DAEMON,), labels=LABELS)
OTHER = InstanceType("c4", 4, 8192, "available")


def make_machine(letter: str = "a", transition: str = "") -> Instance:
    return Instance(
        id=f"i-{letter}",
        name="k8s.demo.k8s-node",
        status=InstanceStatus.RUNNING,
        transition=transition,
        vxnet_id="vxnet-1",
        private_ip="192.168.1.2",
        image_id="img",
        type_id="s1.large.r2",
        vcpus=2,
        memory_mib=2048,
        security_group_id="sg",
        keypair_ids=(),
        created_at=NOON,
    )


def snapshot_of(cluster: ClusterState, *machines: Instance) -> Snapshot:
    group = GroupState(machines, known={"i-a"})
    return take_snapshot(cluster, group, ClusterSpec(), ScalingPolicy(), {}, NOON)


def test_a_machine_that_we_installed_is_ours_and_one_that_boots_may_be() -> None:
    cluster = ClusterState((NODE, replace(NODE, name="k8s-node-b")))
    machines = [make_machine(letter) for letter in "abc"]
    seen = snapshot_of(cluster, *machines)
    assert [machine.ours for machine in seen.machines] == [True, False, True]
    assert [machine.node for machine in seen.machines][2] == "k8s-node-c"


def test_node_being_removed_takes_no_pods() -> None:
    marked = ClusterState((NODE,), marked=(Marked("k8s-node-a", "host-1"),))
    for seen in (
        snapshot_of(ClusterState((NODE,)), make_machine(transition="terminating")),
        snapshot_of(marked, make_machine()),
    ):
        assert [machine.leaving for machine in seen.machines] == [True]
        assert [node.ready for node in seen.nodes] == [False]


def test_template_has_the_resources_of_a_node_of_its_type() -> None:
    cluster, machines = ClusterState((NODE,)), [make_machine()]
    (template,) = find_templates(cluster, GroupState(machines, ()), ClusterSpec(), ScalingPolicy())
    assert template.instance_type == "s1.large.r2"
    assert template.allocatable == Resources(1900, 2 * GIB - GIB // 4, ((DISK, 29 * GIB),))
    assert template.labels == {
        "k8s-qingcloud/group": "k8s-node",
        "kubernetes.io/arch": "amd64",
    }


def test_template_without_a_node_has_the_clouds_resources_minus_daemons() -> None:
    policy = ScalingPolicy(instance_types=("c4", "s1.large.r2"))
    cluster, machines = ClusterState((NODE,)), [make_machine()]
    assert unseen_types(cluster, machines, ClusterSpec(), policy) == ("c4",)
    group = GroupState(machines, (), [OTHER])
    first, second = find_templates(cluster, group, ClusterSpec(), policy)
    memory, disk = 8 * GIB - KUBELET_KEEPS - GIB // 4, int(40 * GIB * DISK_FOR_PODS) - GIB
    assert first.allocatable == Resources(3900, memory, ((DISK, disk),))
    assert second.instance_type == "s1.large.r2"


def test_the_first_machine_of_a_group_is_known_from_the_cloud_alone() -> None:
    policy = ScalingPolicy(instance_types=("c4",))
    (template,) = find_templates(
        ClusterState(()), GroupState((), (), [OTHER]), ClusterSpec(), policy
    )
    disk = int(40 * GIB * DISK_FOR_PODS)
    assert template.allocatable == Resources(4000, 8 * GIB - KUBELET_KEEPS, ((DISK, disk),))
    assert template.labels == {"k8s-qingcloud/group": "k8s-node"}
    nothing = find_templates(ClusterState(()), GroupState((), ()), ClusterSpec(), policy)
    assert nothing == ()


def test_label_of_one_node_alone_is_not_in_the_template() -> None:
    """Machines bought for a pod that requires the label would not have it."""
    special = replace(NODE, name="k8s-node-b", labels=LABELS | {"disk": "ssd"})
    for nodes in ((NODE, special), (special, NODE)):
        cluster, machines = ClusterState(nodes), [make_machine("a"), make_machine("b")]
        group = GroupState(machines, ())
        (template,) = find_templates(cluster, group, ClusterSpec(), ScalingPolicy())
        assert "disk" not in template.labels
        assert template.labels["kubernetes.io/arch"] == "amd64"


def test_template_is_read_from_a_node_with_its_daemons() -> None:
    fresh = replace(NODE, name="k8s-node-b", ready=False, pods=())
    cluster, machines = ClusterState((NODE, fresh)), [make_machine("a"), make_machine("b")]
    (template,) = find_templates(cluster, GroupState(machines, ()), ClusterSpec(), ScalingPolicy())
    assert template.allocatable.cpu_millis == 1900


@pytest.mark.parametrize(
    ("name", "rival"),
    [
        ("cluster-autoscaler-6d4cf56db6-x2x4z", True),
        ("mine-aws-cluster-autoscaler-6d4cf56db6-x2x4z", True),
        ("karpenter-7c9f8b6d5-abcde", True),
        ("karpenter-docs-7c9f8b6d5-abcde", False),
        ("cluster-proportional-autoscaler-7c9f8b6d5-abcde", False),
    ],
)
def test_other_autoscalers_are_found_by_their_pods(name: str, rival: bool) -> None:
    node = replace(NODE, pods=(DAEMON, SeenPod("tools", name)))
    seen = snapshot_of(ClusterState((node,)), make_machine())
    assert seen.rivals == ((f"tools/{name}",) if rival else ())
