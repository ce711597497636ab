"""The snapshot from the states of cluster and group: our machines, templates of new ones."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.autoscaling.fit.place import place_of_template
from domain.autoscaling.see.placement import Operator, Placement, Requirement
from domain.autoscaling.see.snapshot import Resources, SeenNode, SeenPod, Snapshot, Template
from domain.autoscaling.see.state import (
    ClusterState,
    GroupState,
    Marked,
    take_snapshot,
    unseen_types,
)
from domain.autoscaling.see.templates import DISK_FOR_PODS, EVICTION, KERNEL, PAGE_RECORDS
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


def templates_of(
    cluster: ClusterState, *machines: Instance, types: Sequence[str] = (), offer: bool = False
) -> tuple[Template, ...]:
    group = GroupState(machines, (), [OTHER] if offer else [])
    policy = ScalingPolicy(instance_types=tuple(types))
    return take_snapshot(cluster, group, ClusterSpec(), policy, {}, NOON).templates


def test_template_has_the_resources_of_the_nodes_of_its_type() -> None:
    smaller = replace(NODE, name="k8s-node-b", allocatable=replace(ROOM, memory_bytes=GIB))
    cluster = ClusterState((NODE, smaller))
    (template,) = templates_of(cluster, make_machine(), make_machine("b"))
    assert template.instance_type == "s1.large.r2"
    assert template.allocatable == replace(ROOM, memory_bytes=GIB)
    assert template.is_seen


def test_template_without_a_node_has_what_kubelet_will_report() -> None:
    policy = ScalingPolicy(instance_types=("c4", "s1.large.r2"))
    cluster, machines = ClusterState((NODE,)), [make_machine()]
    assert unseen_types(cluster, machines, ClusterSpec(), policy) == ("c4",)
    first, second = templates_of(cluster, *machines, types=("c4", "s1.large.r2"), offer=True)
    memory = 8 * GIB - KERNEL - 8 * GIB // PAGE_RECORDS - EVICTION
    assert first.allocatable == Resources(4000, memory, ((DISK, int(40 * GIB * DISK_FOR_PODS)),))
    assert not first.is_seen
    assert second.instance_type == "s1.large.r2"


def test_labels_of_a_new_machine_are_those_that_every_node_gets() -> None:
    """A label that a person or an add-on has put on the only node is not promised."""
    zone = {"topology.kubernetes.io/zone": "pek3"}
    seen = replace(NODE, labels=LABELS | zone | {"disk": "ssd"})
    from_nothing = {
        "k8s-qingcloud/group": "k8s-node",
        "node-role.kubernetes.io/worker": "",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
    }
    (template,) = templates_of(ClusterState(()), types=("c4",), offer=True)
    assert template.labels == from_nothing
    (template,) = templates_of(ClusterState((seen,)), make_machine())
    assert template.labels == from_nothing | zone
    without = replace(NODE, name="k8s-node-b")
    (template,) = templates_of(ClusterState((seen, without)), make_machine(), make_machine("b"))
    assert template.labels == from_nothing
    assert templates_of(ClusterState(()), types=("c4",)) == ()


GPU = "nvidia.com/gpu"
GPUS = ClusterSpec.model_validate({"nodes": {"template": {"resources": {GPU: 2}}}})


def test_extended_resource_of_a_node_is_not_promised() -> None:
    gpu = replace(NODE, allocatable=Resources(2000, GIB, ((GPU, 1),)))
    (template,) = templates_of(ClusterState((gpu,)), make_machine())
    assert template.allocatable.others == ()


@pytest.mark.parametrize(
    ("shown", "promised"),
    [
        pytest.param((), 2, id="no node yet"),
        pytest.param((0,), 2, id="its device plugin has not reported yet"),
        pytest.param((0, 1), 1, id="a node has less"),
        pytest.param((3,), 2, id="a node has more"),
    ],
)
def test_a_template_promises_its_extended_resources(shown: tuple[int, ...], promised: int) -> None:
    nodes = tuple(
        replace(NODE, name=f"k8s-node-{n}", allocatable=Resources(2000, GIB, ((GPU, amount),)))
        for n, amount in enumerate(shown)
    )
    machines = [make_machine(str(n)) for n in range(len(shown))]
    group = GroupState(machines, (), [replace(OTHER, id="s1.large.r2")])
    snapshot = take_snapshot(ClusterState(nodes), group, GPUS, ScalingPolicy(), {}, NOON)
    assert dict(snapshot.templates[0].allocatable.others)[GPU] == promised


def test_a_young_node_has_what_its_device_plugin_will_report() -> None:
    """Else a second machine is bought for the same pod while the first one's plugin starts."""
    policy = ScalingPolicy()
    for age, has in ((policy.boot_seconds - 1, 2), (policy.boot_seconds + 1, 0)):
        machine = replace(make_machine(), created_at=NOON - timedelta(seconds=age))
        group = GroupState([machine], {"i-a"})
        snapshot = take_snapshot(ClusterState((NODE,)), group, GPUS, policy, {}, NOON)
        assert dict(snapshot.nodes[0].allocatable.others).get(GPU, 0) == has


def test_daemons_of_a_new_machine_are_those_whose_selectors_and_tolerations_allow_it() -> None:
    def only_on(**labels: str) -> Placement:
        return Placement(tuple(Requirement(k, Operator.IN, (v,)) for k, v in labels.items()))

    everywhere = replace(DAEMON, name="proxy", placement=Placement())
    on_linux = replace(DAEMON, name="linux", placement=only_on(**{"kubernetes.io/os": "linux"}))
    on_ssd = replace(DAEMON, name="ssd", placement=only_on(disk="ssd"))
    cluster = ClusterState((), daemons=(everywhere, on_linux, on_ssd))
    (template,) = templates_of(cluster, types=("c4",), offer=True)
    assert [pod.name for pod in template.daemons] == ["proxy", "linux"]
    place = place_of_template(template, 40, "new")
    assert (place.cpu, place.places) == (4000 - 2 * 100, 40)
    assert place_of_template(replace(template, places=30), 40, "new").places == 28


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
