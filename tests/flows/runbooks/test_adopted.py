"""Clusters in networks that existed before them: used, checked, and left as they were."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from domain.cloud.adopted import REASON
from domain.cloud.leftovers import find_clusters
from domain.cloud.plan import Action
from domain.cloud.planning import plan_cluster, plan_teardown
from domain.cloud.preflight import preflight
from domain.cloud.records import PortForwardSpec, RuleSpec
from domain.kernel.errors import ClusterError, InvalidSpec
from domain.observe.cost import lives_of
from domain.spec.cluster import ClusterSpec, changed, parse_spec
from tasks.control_plane import find_spec
from tests.flows.runbooks.test_crashes import until_done
from tests.flows.runbooks.test_leftovers import Hand
from tests.flows.runbooks.world import SPEC, Strike, Way, World, new_world

HAND_MADE = PortForwardSpec("web", 8090, "192.168.9.9", 80)


class Existing:
    """What Terraform has made: a VPC with a vxnet, an address on it, and a key pair."""

    def __init__(self, world: World, *, bound: bool = True) -> None:
        self.world, self.hand = world, Hand(world)
        world.until_its_end.callback(self.hand.pool.close)
        call = self.hand.call
        self.group = call("CreateSecurityGroup", security_group_name="company")["security_group_id"]
        world.cloud.add_rules(self.group, [RuleSpec("office", "tcp", 443, 443, "203.0.113.0/24")])
        self.vpc = call(
            "CreateRouters",
            router_name="company",
            vpc_network="172.20.0.0/16",
            security_group=self.group,
        )["routers"][0]
        call("ApplySecurityGroup", security_group=self.group)
        self.vxnet = self._join("172.20.5.0/24")
        (self.eip,) = call("AllocateEips", bandwidth=5, eip_name="company")["eips"]
        world.cloud.add_port_forwards(self.vpc, [HAND_MADE])
        if bound:
            call("ModifyRouterAttributes", router=self.vpc, eip=self.eip)
        call("UpdateRouters", routers=[self.vpc])
        self.keypair = call("CreateKeyPair", keypair_name="operator")["keypair_id"]

    def _join(self, cidr: str) -> str:
        (vxnet,) = self.hand.call("CreateVxnets", vxnet_name="company", vxnet_type=1)["vxnets"]
        self.hand.call("JoinRouter", vxnet=vxnet, router=self.vpc, ip_network=cidr, features=1)
        return str(vxnet)

    def spec(self, **parts: dict[str, Any]) -> ClusterSpec:
        network = {"vpc": self.vpc, "vxnets": [self.vxnet], "vpc_cidr": "172.20.0.0/16"}
        document = {"network": network, "address": {"eip": self.eip}}
        return changed(SPEC, document | parts)

    def state(self) -> dict[str, object]:
        """All of it, as the cloud shows it; machines are counted, as their ids differ."""
        cloud = self.world.cloud
        vpc = cloud.read_vpc(self.vpc)
        (vxnet,), (eip,) = cloud.read_vxnets([self.vxnet]), cloud.read_eips([self.eip])
        (group,) = cloud.read_security_groups([self.group])
        (keypair,) = cloud.read_keypairs([self.keypair])
        forwards = [one.spec for one in cloud.list_port_forwards(self.vpc)]
        return {
            "vpc": (vpc.name, vpc.status, vpc.is_applied, vpc.security_group_id, vpc.eip_id),
            "networks": len(vpc.vxnet_ids),
            "vxnet": (vxnet.name, vxnet.router_id, vxnet.cidr, len(vxnet.instance_ids)),
            "eip": (eip.name, eip.bound_to, eip.status, eip.bandwidth_mbps),
            "group": (group.name, group.is_applied, group.description, len(group.user_ids)),
            "rules": Counter(rule.spec for rule in cloud.list_rules(self.group)),
            "forwards": Counter((one.name, one.public_port, one.target_port) for one in forwards),
            "key pair": (keypair.name, keypair.instance_ids),
        }


OWN_VXNETS = {"vpc_cidr": "172.20.0.0/16", "first_vxnet": "172.20.1.0/24"}

CHOICES: dict[str, Callable[[Existing], ClusterSpec]] = {
    "everything": lambda existing: existing.spec(access={"keypair": existing.keypair}),
    "the VPC, with vxnets of its own": lambda existing: existing.spec(
        network={"vpc": existing.vpc, **OWN_VXNETS}
    ),
    "the address alone": lambda existing: changed(SPEC, {"address": {"eip": existing.eip}}),
}


def make(world: World, choice: str) -> tuple[Existing, ClusterSpec]:
    existing = Existing(world, bound=choice != "the address alone")
    return existing, CHOICES[choice](existing)


def unpriced(resource_ids: set[str], world: World) -> bool:
    seen = world.open().inventory()
    return resource_ids.isdisjoint(life.resource for life in lives_of(seen))


@pytest.mark.parametrize("choice", CHOICES)
def test_what_existed_is_used_kept_and_left_as_it_was(world: World, choice: str) -> None:
    existing, spec = make(world, choice)
    before, counted = existing.state(), world.resources()
    world.provision(spec=spec)
    seen = world.open().inventory()
    assert plan_cluster(spec, seen).changes == ()
    assert seen.adopted.ids == {
        one for one in (spec.network.vpc, *spec.network.vxnets, spec.address.eip) if one
    }
    assert seen.adopted.ids.isdisjoint(seen.tag.resource_ids if seen.tag else ())
    assert unpriced(set(seen.adopted.ids), world)
    assert find_spec(world.open()) == spec
    world.scale(3)
    strike = Strike()
    world.provision(strike, spec=spec)
    assert strike.changes == ["kubernetes apply"]
    kept = {item.id for item in plan_teardown(seen).items if item.action is Action.KEEP}
    assert kept == seen.adopted.ids
    done = world.teardown()
    assert existing.state() == before
    assert world.resources() == counted
    assert {item.reason for item in done.items if item.action is Action.KEEP} == {REASON}


def test_the_plan_names_what_is_used_and_counts_only_what_is_new(world: World) -> None:
    existing = Existing(world)
    spec = existing.spec()
    plan = plan_cluster(spec, world.open().wanting(spec).inventory())
    kept = {item.id: item for item in plan.items if item.action is Action.KEEP}
    assert kept.keys() >= {existing.vpc, existing.vxnet, existing.eip}
    assert not any(item.billed for item in kept.values())
    billed = {item.kind for item in plan.changes if item.billed}
    assert billed == {"machine", "load balancer"}


def test_the_router_gets_rules_and_forwards_with_the_name_of_the_cluster(world: World) -> None:
    existing = Existing(world)
    world.provision(spec=existing.spec())
    rules = world.cloud.list_rules(existing.group)
    assert {rule.spec.name for rule in rules} == {
        "office",
        "k8s.demo.api-1",
        "k8s.demo.ui-1",
        "k8s.demo.ssh-1",
    }
    forwards = [one.spec for one in world.cloud.list_port_forwards(existing.vpc)]
    assert HAND_MADE in forwards
    assert len(forwards) == 4
    narrower = changed(existing.spec(), {"access": {"allowed_cidrs": ["127.0.0.0/16"]}})
    world.provision(spec=narrower)
    sources = {rule.spec.source for rule in world.cloud.list_rules(existing.group)}
    assert sources == {"203.0.113.0/24", "127.0.0.0/16"}


def test_the_owner_of_the_key_pair_may_log_in_to_new_machines(world: World) -> None:
    existing = Existing(world)
    world.provision(spec=existing.spec(access={"keypair": existing.keypair}))
    (key,) = world.cloud.read_keypairs([existing.keypair])
    machines = {machine.id for machine in world.machines()}
    assert world.admitted == dict.fromkeys(machines, f"ssh-rsa {key.public_key} {key.id}")


def test_an_unfinished_cluster_remembers_what_it_uses(world: World) -> None:
    existing = Existing(world)
    with pytest.raises(ClusterError):
        world.provision(Strike(9, Way.FINAL), spec=existing.spec())
    world.provision(spec=parse_spec({"access": {"allowed_cidrs": ["127.0.0.0/8"]}}))
    assert world.open().inventory().adopted.ids == {existing.vpc, existing.vxnet, existing.eip}


def test_a_cluster_in_an_adopted_vpc_is_alive_for_a_sweep(world: World) -> None:
    existing = Existing(world)
    world.provision(spec=existing.spec())
    found = find_clusters(world.open().cloud, datetime.now(UTC) + timedelta(days=1))
    assert (found.living, found.dead) == (("demo",), ())
    assert found.adopted == {existing.vpc, existing.vxnet, existing.eip}


# What is refused, before anything is changed.


def no_such(kind: str) -> Callable[[Existing], ClusterSpec]:
    def spec(existing: Existing) -> ClusterSpec:
        match kind:
            case "vpc":
                return existing.spec(network={"vpc": "rtr-gone0000"})
            case "vxnet":
                network = {"vpc": existing.vpc, "vpc_cidr": "172.20.0.0/16"}
                return existing.spec(network=network | {"vxnets": ["vxnet-gone"]})
            case "eip":
                return existing.spec(address={"eip": "eip-gone0000"})
        return existing.spec(access={"keypair": "kp-gone0000"})

    return spec


def in_another_vpc(existing: Existing) -> ClusterSpec:
    other = existing.hand.call("CreateRouters", vpc_network="172.20.0.0/16")["routers"][0]
    return existing.spec(
        network={"vpc": other, "vxnets": [existing.vxnet], "vpc_cidr": "172.20.0.0/16"},
        address={},
    )


def bound_elsewhere(existing: Existing) -> ClusterSpec:
    return changed(SPEC, {"address": {"eip": existing.eip}})


def switched_off(existing: Existing) -> ClusterSpec:
    existing.hand.call("PowerOffRouters", routers=[existing.vpc])
    return existing.spec()


def with_a_taken_range(existing: Existing) -> ClusterSpec:
    own = {"vpc_cidr": "172.20.0.0/16", "first_vxnet": "172.20.5.0/24"}
    return existing.spec(network={"vpc": existing.vpc, **own})


def of_another_cluster(existing: Existing) -> ClusterSpec:
    group = existing.world.cloud.create_security_group("k8s.other.firewall")
    existing.world.cloud.describe_security_group(
        group, f"uses, and never deletes: {existing.vpc} {existing.eip}"
    )
    return existing.spec()


def made_by_another_cluster(existing: Existing) -> ClusterSpec:
    existing.hand.call(
        "ModifyRouterAttributes", router=existing.vpc, router_name="k8s.other.router"
    )
    return existing.spec()


def full(existing: Existing) -> ClusterSpec:
    nodes = {"count": 249, "maximum": 249}
    existing.hand.call(
        "RunInstances",
        image_id="noble1x64a",
        instance_type="s1.small.r1",
        count=2,
        login_mode="keypair",
        login_keypair=existing.keypair,
        **{"vxnets": [existing.vxnet]},
    )
    return existing.spec(nodes=nodes)


@pytest.mark.parametrize(
    ("choose", "sentence"),
    [
        pytest.param(no_such("vpc"), "network.vpc: there is no rtr-gone0000 in zone", id="no VPC"),
        pytest.param(no_such("vxnet"), "network.vxnets: there is no vxnet-gone", id="no vxnet"),
        pytest.param(no_such("eip"), "address.eip: there is no eip-gone0000", id="no address"),
        pytest.param(no_such("key"), "access.keypair: there is no kp-gone0000", id="no key pair"),
        pytest.param(
            lambda existing: existing.spec(network={"vpc": existing.vpc}),
            "has the network 172.20.0.0/16, and network.vpc_cidr is 192.168.0.0/16",
            id="another range",
        ),
        pytest.param(in_another_vpc, "has joined rtr-.*, not rtr-", id="vxnet of another VPC"),
        pytest.param(
            lambda existing: existing.spec(address={}),
            "has the public address eip-.*use it with address.eip: eip-",
            id="VPC with an address",
        ),
        pytest.param(bound_elsewhere, "is used by rtr-.*; unbind it", id="address in use"),
        pytest.param(switched_off, "is poweroffed; switch it on", id="router that is off"),
        pytest.param(with_a_taken_range, "172.20.5.0/24 is taken by vxnet-", id="taken range"),
        pytest.param(of_another_cluster, "is in use by cluster other", id="in use"),
        pytest.param(made_by_another_cluster, "belongs to cluster other", id="of a cluster"),
        pytest.param(full, "room for 248 machines, wanted are 250", id="full"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_changed(
    world: World, choose: Callable[[Existing], ClusterSpec], sentence: str
) -> None:
    existing = Existing(world)
    spec = choose(existing)
    before, strike = existing.state(), Strike()
    with pytest.raises(InvalidSpec, match=sentence) as caught:
        world.provision(strike, spec=spec)
    assert "\n" not in str(caught.value)
    assert strike.changes == []
    assert existing.state() == before


@pytest.mark.parametrize(
    "change",
    [{"network": {"vxnets": []}}, {"address": {"eip": ""}}],
    ids=["without its vxnets", "without its address"],
)
def test_a_cluster_cannot_leave_what_it_uses(world: World, change: dict[str, Any]) -> None:
    existing = Existing(world)
    world.provision(spec=existing.spec())
    with pytest.raises(InvalidSpec):
        world.provision(Strike(), spec=changed(existing.spec(), change))


def test_an_existing_cluster_cannot_move_into_another_vpc(world: World) -> None:
    world.provision()
    existing = Existing(world)
    cluster = world.open()
    cluster = cluster.wanting(existing.spec())
    with pytest.raises(InvalidSpec, match=r"of its own, so network\.vpc cannot be"):
        preflight(cluster.cloud, cluster.spec, cluster.inventory(), bills=False)


# Crashes.


def bring_up(spec: ClusterSpec, world: World, strike: Strike | None) -> None:
    world.provision(strike, spec)


def tear_down(world: World, strike: Strike | None) -> None:
    world.teardown(strike)


ABOUT_THE_NETWORK = (
    "add_port_forwards",
    "add_rules",
    "apply_security_group",
    "bind_eip_to_router",
    "delete_port_forwards",
    "delete_rules",
    "describe_security_group",
    "join_router",
    "leave_router",
    "update_router",
)
"""The changes that differ in an existing network; test_crashes.py strikes all of them elsewhere."""


def struck(changes: list[str]) -> list[int]:
    return [at for at, name in enumerate(changes, start=1) if name in ABOUT_THE_NETWORK]


@pytest.mark.parametrize("way", [Way.LATE, Way.KILLED])
def test_a_run_that_is_struck_converges(way: Way) -> None:
    choice = "the VPC, with vxnets of its own"
    changes, expected, left = undisturbed(choice)
    for at in struck(changes["up"]):
        with new_world() as world:
            existing, spec = make(world, choice)
            until_done(world, partial(bring_up, spec), Strike(at, way))
            world.let_late_calls_act()
            where = f"provision struck at {at}, {changes['up'][at - 1]}, {way}"
            assert (world.state(), existing.state()) == expected, where
    for at in struck(changes["down"]):
        with new_world() as world:
            existing, spec = make(world, choice)
            world.provision(spec=spec)
            until_done(world, tear_down, Strike(at, way))
            world.let_late_calls_act()
            where = f"teardown struck at {at}, {changes['down'][at - 1]}, {way}"
            assert (world.state(), existing.state()) == left, where


def undisturbed(choice: str) -> tuple[dict[str, list[str]], object, object]:
    with new_world() as world:
        existing, spec = make(world, choice)
        up, down = Strike(), Strike()
        world.provision(up, spec)
        expected = (world.state(), existing.state())
        world.teardown(down)
        left = (world.state(), existing.state())
        return {"up": up.changes, "down": down.changes}, expected, left
