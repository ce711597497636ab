"""What the runbooks of production make of a cloud: against the local cloud's API."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest

from clients.qingcloud import QingCloud
from domain.cloud.api import Cloud
from domain.cloud.balancer import UI_NODE_PORT
from domain.cloud.inventory import Inventory
from domain.cloud.plan import Action, Plan, PlanItem
from domain.cloud.planning import STALE, plan_cluster
from domain.cloud.records import ListenerSpec, PortForwardSpec, RuleSpec
from domain.cloud.teardown import remove_machines
from domain.cluster.api import SYSTEM
from domain.cluster.join_tokens import TOKEN_NAME
from domain.kernel.errors import (
    ClusterError,
    CommandFailed,
    InvalidSpec,
    MachinesFailed,
    NameTaken,
)
from domain.kernel.names import Names
from domain.node.ready import INSTANCE_ANNOTATION, WORKER
from domain.secrets.credentials import make_credentials
from domain.secrets.pki import make_bootstrap_token, make_ssh_keypair
from domain.spec.cluster import ClusterSpec, changed
from domain.spec.prices import Billing
from tests.flows.runbooks.world import SPEC, Strike, World

NAMES = Names("demo")


def inventory(world: World) -> Inventory:
    return world.open().inventory()


def plan(world: World, spec: ClusterSpec = SPEC) -> Plan:
    return plan_cluster(spec, inventory(world))


def cloud(world: World) -> QingCloud:
    return cast(QingCloud, world.open().cloud)


def test_a_second_run_changes_nothing_and_the_plan_says_so(world: World) -> None:
    world.provision()
    assert plan(world).changes == ()
    seen, strike = inventory(world), Strike()
    world.provision(strike)
    assert strike.changes == ["kubernetes apply"]  # the description, which is looked at there
    assert inventory(world) == seen


WAITS = ("read_jobs", "read_vpc")
"""Calls of waits: how many there are depends on the machine that the test runs on."""


@pytest.mark.parametrize(
    ("run", "most"),
    [
        pytest.param(lambda world, strike: world.provision(strike), 17, id="nothing to do"),
        pytest.param(lambda world, strike: world.scale(10, strike), 30, id="eight more nodes"),
        pytest.param(lambda world, strike: world.scale(1, strike), 22, id="one node less"),
        pytest.param(lambda world, strike: world.teardown(strike), 38, id="teardown"),
    ],
)
def test_a_run_asks_each_question_once(
    world: World, run: Callable[[World, Strike], None], most: int
) -> None:
    world.provision()
    strike = Strike()
    run(world, strike)
    asked = [call for call in strike.calls if call not in WAITS]
    boots = asked.count("find_instances") - 4  # looked at again while machines boot or end
    assert len(asked) - max(0, boots) <= most, Counter(asked)


def test_machines_of_a_group_start_in_one_call(world: World) -> None:
    world.provision(spec=SPEC.with_count("k8s-node", 5))
    assert world.resources()["instance"] == 6
    assert world.daemon.iaas.calls["RunInstances"] == 2  # one a group


def test_more_nodes_add_machines_and_touch_no_other(world: World) -> None:
    world.provision()
    before = {machine.id for machine in world.machines()}
    world.provision(spec=SPEC.with_count("k8s-node", 4))
    after = {machine.id for machine in world.machines()}
    assert before < after
    assert len(after - before) == 2


def test_a_machine_that_fails_holds_up_no_other_and_is_named(world: World) -> None:
    world.provision()
    known = {machine.id for machine in world.machines()}
    world.break_next(1)
    with pytest.raises(CommandFailed, match="the disk is full"):
        world.scale(5)
    assert len(world.nodes) == 5  # of six machines
    assert world.tokens() == []
    [sick] = world.broken
    assert sick not in known
    world.broken.clear()
    world.scale(5)
    assert len(world.nodes) == 6


def test_several_machines_that_fail_are_named_together(world: World) -> None:
    world.provision()
    world.break_next(2)
    with pytest.raises(ClusterError) as caught:
        world.scale(5)
    assert isinstance(caught.value, MachinesFailed | CommandFailed)
    assert len(world.nodes) == 4
    assert world.state()["resources"] == {**world.resources(), "instance": 6}


def test_deleted_node_of_a_machine_that_runs_comes_back(world: World) -> None:
    """Its kubelet runs on, and a kubelet registers only when it starts."""
    world.provision()
    [first, _] = inventory(world).nodes
    world.delete("Node", f"k8s-node-{first.id.removeprefix('i-')}", "")
    assert not world.state()["nodes are machines"]
    world.provision()
    assert world.state()["nodes are machines"]


def test_nodes_whose_machine_is_gone_are_deleted_with_their_keys(world: World) -> None:
    world.provision()
    [gone, _] = inventory(world).nodes
    remove_machines(cast(Cloud, cloud(world)), "demo", [gone], world.clock)
    world.provision()
    state = world.state()
    assert state["nodes are machines"]
    assert state["keys are of machines"]
    assert len(world.nodes) == 3


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(lambda world: world.provision(), id="provision"),
        pytest.param(lambda world: world.scale(3), id="scale out"),
    ],
)
def test_a_run_finishes_what_a_killed_one_has_left(
    world: World, again: Callable[[World], None]
) -> None:
    """Killed after the join: the token is not deleted yet, and the nodes have no role."""
    world.provision()
    for name, node in world.nodes.items():
        labels = {key: value for key, value in node.labels.items() if key not in WORKER}
        world.nodes[name] = replace(node, labels=labels)
    left, users = make_bootstrap_token().id, "abcdef"
    for token in (left, users):
        world.objects["Secret", SYSTEM, TOKEN_NAME + token] = {}
    again(world)
    assert world.state()["nodes are labelled"]
    assert world.tokens() == [TOKEN_NAME + users]


def test_another_s_network_of_our_name_is_never_touched(world: World) -> None:
    cloud(world).create_vpc(NAMES.router, "172.16.0.0/16", "")
    before = world.resources()
    with pytest.raises(NameTaken, match=r"172\.16\.0\.0/16, wanted is 192\.168\.0\.0/16"):
        world.provision()
    assert world.resources() == before


def test_key_pair_of_another_key_is_refused_before_a_machine_starts(world: World) -> None:
    cloud(world).create_keypair(NAMES.keypair, make_ssh_keypair().public_key)
    world.vault.save(make_credentials("demo", datetime.now(UTC)))
    with pytest.raises(NameTaken, match=r"k8s\.demo\.key \(kp-\w+\) is not that of the saved cred"):
        world.provision()
    assert "instance" not in world.resources()


def test_a_tag_that_is_used_for_something_else_is_left_alone(world: World) -> None:
    eip_id = cloud(world).allocate_eip("another's", 1, Billing.TRAFFIC)
    tag_id = cloud(world).create_tag(NAMES.tag)
    cloud(world).attach_tag(tag_id, [("eip", eip_id)])
    world.provision()
    assert inventory(world).tag is None
    world.teardown()
    assert inventory(world).is_empty
    assert [tag.resource_ids for tag in cloud(world).find_tags(NAMES.tag)] == [(eip_id,)]


def test_a_hole_in_the_firewall_is_planned_and_closed(world: World) -> None:
    world.provision()
    firewall = inventory(world).firewall
    assert firewall is not None
    cloud(world).add_rules(firewall.id, [RuleSpec("ssh-9", "tcp", 1, 65535, "")])
    (change,) = plan(world).changes
    assert (change.action, change.reason) == (Action.CHANGE, "0 rules missing, 1 unwanted")
    world.provision()
    assert plan(world).changes == ()


def test_another_port_for_the_api_leaves_nothing_of_the_old_one(world: World) -> None:
    world.provision()
    whole = world.resources()
    moved = changed(SPEC, {"access": {"api_port": 9443}})
    [old] = [one for one in inventory(world).listeners if one.port == 8080]
    stale = PlanItem("listener", "k8s.demo.api", Action.DELETE, STALE, old.id)
    assert stale in plan(world, moved).changes
    world.provision(spec=moved)
    assert sorted(one.port for one in inventory(world).listeners) == [6443, 8443, 9443]
    assert plan(world, moved).changes == ()
    assert world.resources() == whole


def test_ports_that_change_places_lead_where_they_should(world: World) -> None:
    world.provision()
    swapped = changed(SPEC, {"access": {"api_port": 8443, "ui_port": 8080}})
    world.provision(spec=swapped)
    seen = inventory(world)
    ports = {backend.listener_id: backend.port for backend in seen.backends}
    assert {one.port: ports[one.id] for one in seen.listeners} == {
        8443: 6443,
        6443: 6443,
        8080: UI_NODE_PORT,
    }
    assert plan(world, swapped).changes == ()


def test_a_listener_that_another_made_stays(world: World) -> None:
    world.provision()
    [lb] = cloud(world).find_loadbalancers(NAMES.balancer)
    cloud(world).add_listeners(lb.id, [ListenerSpec("shop", 9000)])
    world.provision()
    assert plan(world).changes == ()
    assert 9000 in {one.port for one in inventory(world).listeners}


def test_a_remembering_cloud_reads_what_the_cloud_reads(world: World) -> None:
    """Whatever a run has changed, its memory answers as the cloud itself does."""
    cluster = world.open()
    world.provision()
    cluster.look_again()
    first = cluster.inventory()
    known = cluster.cloud
    assert cluster.inventory() == inventory(world)
    known.delete_tags([first.tag.id] if first.tag else [])
    assert cluster.inventory() == inventory(world) == replace(first, tag=None)


def test_nodes_get_the_annotation_of_their_machine_and_a_missing_one_again(world: World) -> None:
    world.provision()
    machines = {machine.id for machine in world.machines()}
    assert {each.get(INSTANCE_ANNOTATION) for each in world.annotations.values()} == machines
    world.annotations.clear()  # as of a cluster of an earlier version
    world.scale(3)
    assert len(world.annotations) == 4
    world.annotations.clear()
    world.provision()
    assert {each.get(INSTANCE_ANNOTATION) for each in world.annotations.values()} >= machines


def test_rules_and_forwards_made_by_hand_are_kept_and_listed(world: World) -> None:
    world.provision()
    seen = inventory(world)
    assert seen.vpc
    for group in (seen.firewall, seen.machine_group):
        assert group
        cloud(world).add_rules(group.id, [RuleSpec("backup", "tcp", 873, 873, "10.0.0.0/8")])
    by_hand = PortForwardSpec("web", 8090, "192.168.1.9", 80)
    cloud(world).add_port_forwards(seen.vpc.id, [by_hand])
    planned = plan(world)
    kept = {item.name for item in planned.items if item.reason == "made by hand"}
    assert kept == {"backup: tcp 873 from 10.0.0.0/8", "web: 8090 to 192.168.1.9:80"}
    narrower = changed(SPEC, {"access": {"allowed_cidrs": ["127.0.0.1/32"]}})
    world.provision(spec=narrower)
    world.scale(3)
    after = inventory(world)
    rules = (*after.firewall_rules, *after.machine_rules)
    assert [rule.spec.name for rule in rules].count("backup") == 2
    assert "127.0.0.0/8" not in {rule.spec.source for rule in rules}
    assert by_hand in [forward.spec for forward in after.forwards]
    gone = [item for item in world.teardown().changes if "made by hand" in item.reason]
    assert [item.kind for item in gone] == ["firewall rule", "firewall rule", "port forward"]


def test_a_forward_made_by_hand_on_a_port_of_ours_is_named_before_anything_changes(
    world: World,
) -> None:
    world.provision()
    seen = inventory(world)
    assert seen.vpc
    forward = PortForwardSpec("web", 9443, "192.168.1.9", 80)
    cloud(world).add_port_forwards(seen.vpc.id, [forward])
    strike = Strike()
    moved = changed(SPEC, {"access": {"api_port": 9443}})
    with pytest.raises(InvalidSpec, match=r"port 9443 .*by hand \(rtrs-.*, web: 9443 to 192"):
        world.provision(strike, moved)
    assert strike.changes == []
