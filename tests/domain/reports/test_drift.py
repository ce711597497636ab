"""How a cluster differs from its stored description: each difference has its kind and reason."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.cloud.addons import AddOns, Requests, Service
from domain.cloud.foreign import Foreign, Surroundings
from domain.cloud.inventory import Inventory
from domain.cloud.records import InstanceStatus, LoadBalancer, RuleSpec
from domain.cluster.api import Node
from domain.kernel.names import MASTERS, node_name
from domain.node.install import GROUP_LABEL, INSTANCE_LABEL
from domain.node.ready import INSTANCE_ANNOTATION, WORKER
from domain.reports.drift import Kind, find_drift
from domain.spec.cluster import ClusterSpec, changed
from tests.domain.makers import CREATED, make_instance, make_rules, make_view

SPEC = changed(ClusterSpec(), {"access": {"allowed_cidrs": ["203.0.113.0/24"]}})
VIEW = make_view(SPEC)
LATER = CREATED + timedelta(days=1)
NOTHING = Surroundings()
FIRST = VIEW.nodes[0]


def make_nodes(view: Inventory = VIEW) -> list[Node]:
    return [
        Node(
            node_name(view.group_of(one), one.id),
            one.private_ip,
            ready=True,
            schedulable=True,
            pods_allocatable=40,
            labels={GROUP_LABEL: view.group_of(one), INSTANCE_LABEL: one.id, **WORKER},
            annotations={INSTANCE_ANNOTATION: one.id},
        )
        for one in view.instances
    ]


def with_first(**fields: object) -> list[Node]:
    """The nodes, the first worker with other values."""
    return [
        replace(node, **fields) if node.labels[INSTANCE_LABEL] == FIRST.id else node  # type: ignore[arg-type]
        for node in make_nodes()
    ]


def found(
    view: Inventory = VIEW,
    nodes: Sequence[Node] | None = None,
    around: Surroundings = NOTHING,
    spec: ClusterSpec = SPEC,
) -> list[tuple[Kind, str, str]]:
    seen = make_nodes(view) if nodes is None else nodes
    report = find_drift(spec, view, around, seen, LATER)
    return [(one.kind, one.resource, one.reason) for one in report.differences]


def test_a_cluster_as_described_has_no_drift() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("view", "difference"),
    [
        pytest.param(
            replace(VIEW, instances=VIEW.instances[:-1]),
            (Kind.MISSING, "machine", "1 exist, 2 wanted"),
            id="machine gone",
        ),
        pytest.param(
            replace(VIEW, instances=(*VIEW.instances, make_instance(7))),
            (Kind.EXTRA, "machine", "3 exist, 2 wanted"),
            id="machine too many",
        ),
        pytest.param(
            replace(VIEW, firewall_rules=VIEW.firewall_rules[1:]),
            (Kind.CHANGED, "security group", "1 rules missing, 0 unwanted"),
            id="rule deleted",
        ),
        pytest.param(
            replace(VIEW, vpc=replace(VIEW.vpc, is_applied=False)),  # type: ignore[type-var]
            (Kind.UNFINISHED, "port forward", "changes not applied yet"),
            id="not applied",
        ),
        pytest.param(
            replace(VIEW, address=replace(VIEW.address, bandwidth_mbps=50)),  # type: ignore[type-var]
            (
                Kind.CHANGED,
                "public address",
                "has 50 Mbps by traffic, wanted is 10 Mbps by traffic; the console changes it",
            ),
            id="bandwidth",
        ),
        pytest.param(
            replace(
                VIEW,
                machine_rules=(
                    *VIEW.machine_rules,
                    *make_rules("sg-m", (RuleSpec("backup", "tcp", 873, 873, ""),)),
                ),
            ),
            (Kind.BY_HAND, "firewall rule", "made by hand"),
            id="rule by hand",
        ),
    ],
)
def test_a_difference_in_the_cloud_is_found(
    view: Inventory, difference: tuple[Kind, str, str]
) -> None:
    assert difference in found(view)


STOPPED = replace(FIRST, status=InstanceStatus.STOPPED)


@pytest.mark.parametrize(
    ("nodes", "difference"),
    [
        pytest.param(
            with_first(ready=False),
            (Kind.IDLE, "machine", "its node is not Ready"),
            id="not Ready",
        ),
        pytest.param(
            make_nodes()[:1] + make_nodes()[2:],
            (Kind.IDLE, "machine", "is not a node"),
            id="never joined",
        ),
        pytest.param(
            [*make_nodes(), *make_nodes(replace(VIEW, instances=(make_instance(8),)))],
            (Kind.EXTRA, "node", "its machine does not exist any more"),
            id="node without a machine",
        ),
        pytest.param(
            with_first(annotations={}),
            (
                Kind.UNFINISHED,
                "node",
                "lacks a label of its role, or the annotation of its machine",
            ),
            id="annotation",
        ),
        pytest.param(
            with_first(
                schedulable=False,
                annotations={"k8s-qingcloud/leaving": "worker-1", INSTANCE_ANNOTATION: FIRST.id},
            ),
            (Kind.UNFINISHED, "node", "its removal was begun by worker-1"),
            id="removal begun",
        ),
        pytest.param(
            with_first(schedulable=False),
            (Kind.BY_HAND, "node", "cordoned"),
            id="cordoned by hand",
        ),
    ],
)
def test_a_difference_of_the_nodes_is_found(
    nodes: list[Node], difference: tuple[Kind, str, str]
) -> None:
    assert found(nodes=nodes) == [difference]


def test_a_stopped_machine_is_paid_and_does_not_serve_and_a_new_one_is_unfinished() -> None:
    others = tuple(one for one in VIEW.instances if one.id != FIRST.id)
    assert (Kind.IDLE, "machine", "is stopped") in found(
        replace(VIEW, instances=(*others, STOPPED))
    )
    new = replace(STOPPED, created_at=LATER)
    kinds = [kind for kind, *_ in found(replace(VIEW, instances=(*others, new)))]
    assert kinds == [Kind.UNFINISHED]


def test_a_balancer_that_no_service_asks_for_is_paid_and_does_not_serve() -> None:
    web = Service("default", "web", "0f3c2a11-7d1a")
    used, idle = (
        LoadBalancer(f"lb-{n}", name, "vxnet-a", "", "active", "", True, "", CREATED)
        for n, name in enumerate(("k8s_lb_x_default_web_0f3c2a11", "k8s_lb_x_default_old_1234abcd"))
    )
    around = Surroundings(AddOns(Requests((web,)), (used, idle)))
    reason = "made by an add-on; no Service asks for it"
    assert found(around=around) == [(Kind.IDLE, "load balancer", reason)]


def test_what_was_made_by_hand_is_listed_and_is_no_drift() -> None:
    around = Surroundings(foreign=(Foreign("machine", "i-x", "bastion", "vxnet-a"),))
    report = find_drift(SPEC, VIEW, around, make_nodes(), LATER)
    assert [one.id for one in report.differences] == ["i-x"]
    assert report.drifted == ()


def test_a_master_needs_no_role_of_a_worker() -> None:
    nodes = [
        replace(node, labels={GROUP_LABEL: MASTERS, INSTANCE_LABEL: node.labels[INSTANCE_LABEL]})
        for node in make_nodes()
    ]
    assert found(nodes=nodes) == []
