"""What a cluster's add-ons and its users have made beside it, when it is torn down."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from domain.cloud.addons import Claim, Service
from domain.cloud.plan import Action, Plan
from domain.kernel.errors import ForeignInside
from flows.runbooks.sweep import sweep
from tasks.executors import PlainSteps
from tasks.sweep import find_leftovers
from tests.flows.runbooks.test_crashes import until_done
from tests.flows.runbooks.world import Strike, Way, World, new_world
from tests.iaas_daemon import ACCOUNT, ZONE
from tests.localcloud.vendor_client import Connections, connect

WEB = Service("default", "web", "0f3c2a11-7d1a-4c56-9a55-3f1f6f3e8a01")
INNER = Service("default", "inner", "5b0e77d2-2c43-4f0e-8a4e-0a9f1c3b7e02")
PVC = "pvc-6f1d2c3b-4a59-4e68-9b7a-1c2d3e4f5a6b"


@dataclass
class Hand:
    """Whoever else uses the account: a controller of the cluster, or a person in the console."""

    world: World
    pool: Connections = field(default_factory=Connections)

    def call(self, action: str, **body: Any) -> dict[str, Any]:
        endpoint = self.world.daemon.endpoint
        sdk = connect(endpoint, ACCOUNT.key_id, ACCOUNT.secret, ZONE, self.pool)
        for _ in range(100):
            answer = sdk.send_request(action, body)
            if answer["ret_code"] != 1400:
                break
            self.world.clock.sleep(1)  # what it needs was made a moment ago
        assert answer["ret_code"] == 0, answer
        for _ in range(100):
            if "job_id" not in answer:
                break
            (job,) = self.call("DescribeJobs", jobs=[answer["job_id"]])["job_set"]
            if job["status"] == "successful":
                break
            self.world.clock.sleep(1)
        return cast(dict[str, Any], answer)

    @property
    def vxnet(self) -> str:
        return self.world.machines()[0].vxnet_id

    def make_public_service(self) -> str:
        """As the controller does for a public Service. Returns: the balancer's id."""
        self.world.services.append(WEB)
        (eip,) = self.call("AllocateEips", bandwidth=2, eip_name="k8s_lb_allocate_eip")["eips"]
        group = self.call("CreateSecurityGroup", security_group_name="k8s_lb_default_sg")
        return self._balance(WEB, eips=[eip], security_group=group["security_group_id"])

    def make_internal_service(self) -> str:
        self.world.services.append(INNER)
        return self._balance(INNER, vxnet=self.vxnet)

    def _balance(self, service: Service, **where: Any) -> str:
        name = f"k8s_lb_mine_{service.namespace}_{service.name}_{service.uid[:8]}"
        made = self.call("CreateLoadBalancer", loadbalancer_name=name, **where)
        return cast(str, made["loadbalancer_id"])

    def send_to(self, balancer: str, machine: str) -> None:
        listener = {"listener_port": 80, "listener_protocol": "tcp", "backend_protocol": "tcp"}
        added = self.call(
            "AddLoadBalancerListeners", loadbalancer=balancer, listeners=[listener | PROBE]
        )
        backend = {"resource_id": machine, "port": 30080, "weight": 1}
        self.call(
            "AddLoadBalancerBackends",
            loadbalancer_listener=added["loadbalancer_listeners"][0],
            backends=[backend],
        )

    def make_volume(self, name: str = PVC, attached: bool = True) -> str:
        (volume,) = self.call("CreateVolumes", size=20, volume_name=name)["volumes"]
        if attached:
            node = next(one for one in self.world.machines() if one.name.endswith("k8s-node"))
            self.call("AttachVolumes", volumes=[volume], instance=node.id)
        return cast(str, volume)

    def make_machine(self, name: str = "build") -> str:
        made = self.call(
            "RunInstances",
            image_id="noble1x64a",
            instance_type="s1.small.r1",
            instance_name=name,
            vxnets=[self.vxnet],
            login_mode="keypair",
            login_keypair=self.call("CreateKeyPair", keypair_name=name)["keypair_id"],
        )
        return cast(str, made["instances"][0])


@pytest.fixture
def hand(world: World) -> Iterator[Hand]:
    world.provision()
    hand = Hand(world)
    yield hand
    hand.pool.close()


def test_what_add_ons_have_made_goes_with_the_cluster_and_is_named(hand: Hand) -> None:
    made = {hand.make_public_service(), hand.make_internal_service(), hand.make_volume()}
    plan = hand.world.teardown()
    deleted = {item.id: item.reason for item in plan.changes}
    assert made <= deleted.keys()
    assert {"made by an add-on for Service default/web"} <= set(deleted.values())
    assert {item.action for item in plan.items} == {Action.DELETE}
    assert hand.world.resources() == {}
    assert hand.world.services == []


def test_without_an_answer_of_the_cluster_they_are_found_by_what_they_use(hand: Hand) -> None:
    balancer = hand.make_public_service()
    hand.send_to(balancer, hand.world.machines()[0].id)
    hand.make_internal_service()
    hand.make_volume()
    hand.world.nodes.clear()
    hand.world.teardown()
    assert hand.world.resources() == {}


PROBE = {"balance_mode": "roundrobin", "healthy_check_method": "tcp", "timeout": 50}


def test_on_request_they_stay_with_the_network_that_they_need(hand: Hand) -> None:
    hand.make_public_service()
    inner, volume = hand.make_internal_service(), hand.make_volume()
    plan = hand.world.teardown(keep_addons=True)
    kept = {item.id for item in plan.items if item.action is Action.KEEP}
    assert {inner, volume} <= kept
    left = hand.world.resources()
    expected = {"router": 1, "vxnet": 1, "loadbalancer": 2, "eip": 2, "volume": 1}
    rules = {"security_group": 2, "security_group_rule": 4, "router_static": 3}
    assert left == expected | rules
    hand.world.teardown()
    assert hand.world.resources() == {"loadbalancer": 1, "eip": 1, "security_group": 1, "volume": 1}


def test_a_volume_whose_policy_is_retain_and_a_lent_address_stay(hand: Hand) -> None:
    volume = hand.make_volume("kept by its policy", attached=False)
    hand.world.claims.append(Claim("default", "data", volume, is_retained=True))
    (eip,) = hand.call("AllocateEips", bandwidth=5, eip_name="shop")["eips"]
    hand.world.services.append(WEB)
    hand._balance(WEB, eips=[eip])
    plan = hand.world.teardown()
    assert {item.id for item in plan.items if item.action is Action.KEEP} == {volume, eip}
    assert hand.world.resources() == {"volume": 1, "eip": 1}


def test_a_copy_of_another_cluster_leaves_that_one_its_balancers(hand: Hand) -> None:
    balancer = hand.make_public_service()  # the copy has the same Service, with the same uid
    key = hand.call("CreateKeyPair", keypair_name="source")["keypair_id"]
    made = hand.call(
        "RunInstances",
        image_id="noble1x64a",
        instance_type="s1.small.r1",
        instance_name="k8s.source.k8s-node",
        login_mode="keypair",
        login_keypair=key,
    )
    hand.send_to(balancer, made["instances"][0])
    hand.world.teardown()
    left = hand.world.resources()
    assert (left["loadbalancer"], left["eip"], left["instance"]) == (1, 1, 1)


def test_balancers_of_another_cluster_are_not_touched(hand: Hand) -> None:
    hand.make_public_service()
    hand.world.services.clear()
    hand.world.teardown()
    assert hand.world.resources() == {"loadbalancer": 1, "eip": 1, "security_group": 1}


FOREIGN: dict[str, Callable[[Hand], object]] = {
    "machine": Hand.make_machine,
    "load balancer": lambda hand: hand.call(
        "CreateLoadBalancer", loadbalancer_name="shop", vxnet=hand.vxnet
    ),
    "network card": lambda hand: hand.call("CreateNics", vxnet=hand.vxnet),
    "volume": lambda hand: hand.make_volume("backups"),
    "vxnet": lambda hand: hand.call(
        "JoinRouter",
        vxnet=hand.call("CreateVxnets", vxnet_type=1, vxnet_name="other")["vxnets"][0],
        router=hand.call("DescribeRouters")["router_set"][0]["router_id"],
        ip_network="192.168.77.0/24",
    ),
}


@pytest.mark.parametrize("kind", list(FOREIGN))
def test_foreign_resources_are_named_before_anything_is_deleted(hand: Hand, kind: str) -> None:
    FOREIGN[kind](hand)
    before = hand.world.resources()
    strike = Strike()
    with pytest.raises(ForeignInside, match=f"its own: {kind} .*--leave-foreign"):
        hand.world.teardown(strike)
    assert (strike.changes, hand.world.resources()) == ([], before)


def test_on_request_everything_is_deleted_but_what_a_foreign_machine_needs(hand: Hand) -> None:
    machine = hand.make_machine()
    plan = hand.world.teardown(leave_foreign=True)
    left = {item.kind for item in plan.items if item.action is Action.KEEP}
    assert left == {"vxnet", "router", "public address", "security group", "machine"}
    kept = {"router": 1, "vxnet": 1, "eip": 1, "security_group": 1, "router_static": 3}
    own = {"instance": 1, "keypair": 1, "security_group_rule": 4}
    assert hand.world.resources() == kept | own
    hand.call("TerminateInstances", instances=[machine], direct_cease=1)
    hand.world.teardown()
    assert hand.world.resources() == {"keypair": 1}


@contextmanager
def world_with_add_ons() -> Iterator[World]:
    with new_world() as world:
        world.provision()
        hand = Hand(world)
        hand.make_public_service()
        hand.make_internal_service()
        hand.make_volume()
        yield world
        hand.pool.close()


@pytest.mark.parametrize("way", [Way.FINAL], ids=str)
def test_a_teardown_that_is_struck_at_what_add_ons_have_made_leaves_nothing(way: Way) -> None:
    with world_with_add_ons() as world:
        world.teardown(counting := Strike())
    own = [at for at, name in enumerate(counting.changes, 1) if name in OF_ADD_ONS]
    assert len(own) == 8
    for at in own:
        with world_with_add_ons() as world:
            until_done(world, lambda world, strike: _tear_down(world, strike), Strike(at, way))
            world.let_late_calls_act()
            where = f"struck at change {at}, {counting.changes[at - 1]}, {way}"
            assert world.resources() == {}, where


def _tear_down(world: World, strike: Strike | None) -> None:
    world.teardown(strike)


OF_ADD_ONS = {
    "kubernetes delete",
    "create_tag",
    "attach_tag",
    "delete_loadbalancers",
    "release_eips",
    "delete_volumes",
}


def opened(world: World) -> Callable[[str], Any]:
    return lambda name: nullcontext(world.open(name=name))


def swept(world: World, **choices: bool) -> Plan:
    """Sweep the account as two hours later, as the flow does."""
    cluster, later = world.open(), datetime.now(UTC) + timedelta(hours=2)
    found = find_leftovers(cluster, opened(world), later, **choices)
    sweep(PlainSteps(world.clock), cluster, found, opened(world), **choices)
    return found.plan


def deleted(plan: Plan) -> set[str]:
    return {item.id for item in plan.changes}


def test_a_sweep_deletes_nothing_of_a_living_cluster(hand: Hand) -> None:
    hand.make_public_service()
    hand.make_internal_service()
    volume = hand.make_volume(attached=False)
    hand.world.claims.append(Claim("default", "data", volume))
    before = hand.world.resources()
    plan = swept(hand.world, volumes=True)
    assert (plan.items, hand.world.resources()) == ((), before)


def test_a_sweep_deletes_a_cluster_without_a_master_and_what_its_add_ons_have_made(
    hand: Hand,
) -> None:
    hand.make_public_service()
    hand.make_internal_service()
    master = next(one for one in hand.world.machines() if one.name.endswith("k8s-master"))
    hand.call("TerminateInstances", instances=[master.id], direct_cease=1)
    hand.world.nodes.clear()
    plan = swept(hand.world)
    assert {"cluster demo has no master", "no cluster uses it"} <= {
        item.reason for item in plan.changes
    }
    assert all(item.hourly for item in plan.changes if item.billed)
    assert len(deleted(plan)) == len(plan.changes)
    assert hand.world.resources() == {}


def test_what_is_younger_than_an_hour_is_left_alone(hand: Hand) -> None:
    hand.make_public_service()
    master = next(one for one in hand.world.machines() if one.name.endswith("k8s-master"))
    hand.call("TerminateInstances", instances=[master.id], direct_cease=1)
    cluster = hand.world.open()
    found = find_leftovers(cluster, opened(hand.world), datetime.now(UTC))
    assert (found.clusters.young, found.plan.items) == (("demo",), ())


def test_volumes_that_no_machine_uses_are_deleted_on_request_only(hand: Hand) -> None:
    volume = hand.make_volume(attached=False)
    hand.make_volume("a person's own", attached=False)
    assert [item.reason for item in swept(hand.world).items] == [
        "no machine uses it; --volumes deletes it"
    ]
    assert deleted(swept(hand.world, volumes=True)) == {volume}
    assert hand.world.resources()["volume"] == 1


def test_while_a_living_cluster_does_not_answer_nothing_of_add_ons_is_deleted(hand: Hand) -> None:
    hand.make_public_service()
    hand.world.services.clear()
    hand.world.nodes.clear()
    plan = swept(hand.world, volumes=True)
    reasons = {item.reason for item in plan.items}
    assert reasons == {"cluster demo does not answer, and it may be its"}
    assert plan.changes == ()
    assert hand.world.resources()["loadbalancer"] == 2
