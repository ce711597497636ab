"""The plan: the action for each resource, and its reason."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from domain.cloud.inventory import Inventory
from domain.cloud.network import wanted_forwards
from domain.cloud.plan import Action, Plan
from domain.cloud.planning import plan_cluster, plan_scale, plan_teardown
from domain.kernel.names import MASTERS, NODES
from domain.spec.cluster import ClusterSpec, changed
from tests.domain.makers import make_instance, make_view, make_vpc

SPEC = changed(ClusterSpec(), {"access": {"allowed_cidrs": ["203.0.113.0/24"]}})


def actions(plan: Plan) -> set[tuple[str, Action]]:
    return {(item.kind, item.action) for item in plan.changes}


def test_a_cluster_as_wanted_is_kept_whole() -> None:
    assert plan_cluster(SPEC, make_view(SPEC)).changes == ()


def test_without_resources_everything_is_created_and_billed_ones_are_marked() -> None:
    plan = plan_cluster(SPEC, Inventory("demo"))
    assert {item.action for item in plan.items} == {Action.CREATE}
    billed = {item.kind for item in plan.items if item.billed}
    assert billed == {"router", "public address", "load balancer", "machine"}
    assert sum(item.count for item in plan.items if item.kind == "machine") == 3


def test_one_more_node_changes_nothing_else() -> None:
    plan = plan_cluster(SPEC.with_count("k8s-node", 3), make_view(SPEC))
    (change,) = plan.changes
    assert (change.kind, change.action, change.count) == ("machine", Action.CREATE, 1)


def test_a_count_is_never_lowered_by_provision() -> None:
    plan = plan_cluster(SPEC.with_count("k8s-node", 1), make_view(SPEC))
    assert plan.changes == ()
    kept = [item for item in plan.items if item.name.endswith(NODES)]
    assert all("flows.scale" in item.reason for item in kept)


def test_another_source_changes_both_groups_and_nothing_else() -> None:
    wider = changed(SPEC, {"access": {"allowed_cidrs": ["198.51.100.0/24"]}})
    assert actions(plan_cluster(wider, make_view(SPEC))) == {("security group", Action.CHANGE)}


def test_a_forward_to_a_machine_that_is_gone_is_replaced() -> None:
    view = make_view(SPEC)
    elsewhere = wanted_forwards("demo", SPEC.access, "192.168.1.200", "192.168.1.77")
    moved = tuple(
        replace(forward, spec=spec) for forward, spec in zip(view.forwards, elsewhere, strict=True)
    )
    plan = plan_cluster(SPEC, replace(view, forwards=moved))
    (change,) = plan.changes
    assert (change.kind, change.action) == ("port forward", Action.REPLACE)
    assert "192.168.1.100:22" in change.reason


def test_a_change_that_was_stored_and_not_applied_is_shown() -> None:
    view = replace(make_view(SPEC), vpc=make_vpc(applied=False))
    plan = plan_cluster(SPEC, view)
    assert actions(plan) == {("port forward", Action.CHANGE)}
    assert {item.reason for item in plan.changes} == {"changes not applied yet"}


def test_backends_of_a_master_that_is_gone_change_their_listeners() -> None:
    view = make_view(SPEC)
    new_master = make_instance(101, MASTERS)
    others = tuple(machine for machine in view.instances if machine not in view.masters)
    plan = plan_cluster(SPEC, replace(view, instances=(new_master, *others)))
    assert ("listener", Action.CHANGE) in actions(plan)


def test_teardown_deletes_machines_first_and_the_router_after_its_vxnets() -> None:
    items = plan_teardown(make_view(SPEC)).items
    kinds = [item.kind for item in items]
    assert {item.action for item in items} == {Action.DELETE}
    assert kinds[:3] == ["machine"] * 3
    assert kinds.index("vxnet") < kinds.index("router") < kinds.index("public address")
    assert plan_teardown(Inventory("demo")).items == ()


@given(existing=st.integers(0, 8), wanted=st.integers(0, 8))
def test_a_scale_plan_adds_up(existing: int, wanted: int) -> None:
    view = make_view(SPEC, nodes=existing)
    leaving = [machine.id for machine in view.nodes[: max(0, existing - wanted)]]
    plan = plan_scale(view, NODES, wanted, leaving)
    counts = dict.fromkeys(Action, 0)
    for item in plan.items:
        counts[item.action] += item.count
    assert counts[Action.KEEP] + counts[Action.CREATE] == wanted
    assert counts[Action.KEEP] + counts[Action.DELETE] == existing


def test_machines_of_another_type_or_image_are_kept_and_the_reason_names_the_difference() -> None:
    template = {"template": {"instance_type": "s1.xlarge.r2"}}
    spec = changed(SPEC, {"nodes": template | {"count": 3}})
    plan = plan_cluster(spec, make_view(SPEC), {MASTERS: "noble1x64", NODES: "noble2x64"})
    (change,) = plan.changes
    assert (change.action, change.count) == (Action.CREATE, 1)
    machines = [item for item in plan.items if item.kind == "machine" and item.id]
    reasons = {item.name: item.reason for item in machines}
    assert reasons["k8s.demo.k8s-master"] == "as wanted"
    assert reasons["k8s.demo.k8s-node"] == (
        "has type s1.large.r2, s1.xlarge.r2 is for new machines; "
        "has image noble1x64, noble2x64 is for new machines; `flows.rollout` replaces it"
    )


def test_an_address_of_another_bandwidth_is_kept_and_the_reason_names_it() -> None:
    spec = changed(SPEC, {"address": {"bandwidth_mbps": 50}})
    plan = plan_cluster(spec, make_view(SPEC))
    assert plan.changes == ()
    (address,) = (item for item in plan.items if item.kind == "public address")
    assert "has 10 Mbps by traffic, wanted is 50" in address.reason
