"""A cluster's cloud side, built and taken down by the domain's functions against the real API.

The runs are cut off after each call that changes something, in both ways in which that happens:
the call never acted, or it acted and its reply was lost. Running again must end with one of each.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from clients.qingcloud import QingCloud
from domain.cloud import balancer, firewall, keypairs, network, teardown
from domain.cloud.inventory import read_inventory
from domain.cloud.plan import Action, PlanItem
from domain.cloud.planning import STALE, plan_cluster
from domain.cloud.preflight import choose
from domain.cloud.records import Instance, ListenerSpec
from domain.cloud.tags import ensure_tagged
from domain.kernel.errors import NameTaken, TemporaryError, UnknownOutcome
from domain.kernel.names import MASTERS, NODES, Names
from domain.node import launch as machines
from domain.node.launch import GroupWish
from domain.secrets.pki import make_ssh_keypair
from domain.secrets.userdata import build_userdata
from domain.spec.cluster import ClusterSpec, changed
from domain.spec.prices import Billing
from tests.iaas_daemon import ACCOUNT, ZONE, IaasDaemon

pytestmark = pytest.mark.local  # against the local cloud's API

SPEC = changed(ClusterSpec(), {"access": {"allowed_cidrs": ["127.0.0.0/8"]}})
NAMES = Names("demo")
READS = ("find_", "list_", "read_")
WHOLE = {
    "instance": 3,
    "router": 1,
    "vxnet": 1,
    "eip": 1,
    "loadbalancer": 1,
    "listener": 3,
    "backend": 3,
    "security_group": 2,
    "router_static": 3,
    "keypair": 1,
    "tag": 1,
}


class HurriedClock:
    """The `time` module with naps of a few milliseconds: the instant profile needs no more."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float, /) -> None:
        time.sleep(min(seconds, 0.01))


class CutOff:
    """A cloud on which the changing call of a given number breaks, before or after it acts."""

    def __init__(self, cloud: QingCloud, at: int, *, acted: bool) -> None:
        self._cloud, self._at, self._acted = cloud, at, acted
        self.changes = 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._cloud, name)
        if not callable(real) or name.startswith(READS):
            return real

        def changing(*args: Any, **kwargs: Any) -> Any:
            self.changes += 1
            if self.changes != self._at:
                return real(*args, **kwargs)
            if self._acted:
                real(*args, **kwargs)
            raise UnknownOutcome(f"{name}: the reply was lost")

        return changing


@pytest.fixture
def daemon() -> Iterator[IaasDaemon]:
    with IaasDaemon() as daemon:
        yield daemon


@pytest.fixture
def cloud(daemon: IaasDaemon) -> QingCloud:
    return QingCloud(ZONE, ACCOUNT.key_id, ACCOUNT.secret, daemon.endpoint)


KEY = make_ssh_keypair()


def build(cloud: Any, spec: ClusterSpec = SPEC) -> None:
    """The cloud's part of `provision`, in its order."""
    clock = HurriedClock()
    choices = choose(cloud, spec)
    group = firewall.ensure_security_group(cloud, NAMES.firewall, firewall.firewall_rules(spec))
    own = firewall.ensure_security_group(cloud, NAMES.machines, firewall.machine_rules(spec))
    firewall.ensure_applied(cloud, own.value, clock)
    keypair = keypairs.ensure_keypair(cloud, spec.name, KEY.public_key).value
    eip = network.ensure_address(cloud, spec.name, spec.address, clock).value
    vpc = network.ensure_vpc(cloud, spec, group.value.id, clock).value
    firewall.ensure_applied(cloud, group.value, clock)
    vxnets = network.ensure_vxnets(cloud, spec, vpc, 1, clock).value
    lb = balancer.ensure_balancer(cloud, spec.name, vxnets[0].id, group.value.id, clock).value
    found: dict[str, tuple[Instance, ...]] = {}
    for name in (MASTERS, NODES):
        wish = GroupWish(
            cluster=spec.name,
            group=name,
            count=spec.count(name),
            template=spec.template(name),
            image_id=choices.images[name].id,
            vxnets=vxnets,
            keypair_id=keypair.id,
            security_group_id=own.value.id,
        )
        found[name] = machines.launch_missing(cloud, wish, lambda: build_userdata(KEY), clock).value
    vpc = network.ensure_bound(cloud, vpc, eip, clock).value
    routes = balancer.wanted_routes(spec.name, spec.access)
    lb = balancer.ensure_routes(cloud, spec.name, routes, found[MASTERS], clock).value
    forwards = network.wanted_forwards(
        spec.name, spec.access, lb.private_ip, found[MASTERS][0].private_ip
    )
    network.ensure_forwards(cloud, vpc, forwards, clock)
    ensure_tagged(cloud, NAMES, read_inventory(cloud, spec.name))


def tear_down(cloud: Any) -> None:
    """The order of `teardown`: its steps have one view, also when Prefect repeats them."""
    clock, view = HurriedClock(), read_inventory(cloud, "demo")
    for step in (
        lambda cloud: teardown.remove_machines(cloud, view.instances, clock),
        lambda cloud: teardown.remove_balancer(cloud, view, clock),
        lambda cloud: teardown.remove_network(cloud, view, clock),
        lambda cloud: teardown.remove_address(cloud, view, clock),
        lambda cloud: teardown.remove_leftovers(cloud, view, clock),
    ):
        until_done(step, cloud)


def count_changes(run: Callable[[Any], None], cloud: QingCloud) -> int:
    counting = CutOff(cloud, 0, acted=False)
    run(counting)
    return counting.changes


def resources(daemon: IaasDaemon) -> dict[str, int]:
    counts = dict(daemon.iaas.count_resources())
    counts.pop("security_group_rule", None)
    return counts


def until_done(run: Callable[[Any], object], cloud: Any) -> None:
    """Run as Prefect would: again after an error that may pass, a few times."""
    for _ in range(4):
        try:
            run(cloud)
            return
        except TemporaryError:
            continue
    raise AssertionError("four runs did not suffice")


def test_a_second_run_changes_nothing_and_the_plan_says_so(
    cloud: QingCloud, daemon: IaasDaemon
) -> None:
    build(cloud)
    assert resources(daemon) == WHOLE
    view = read_inventory(cloud, "demo")
    assert plan_cluster(SPEC, view).changes == ()
    changes = count_changes(build, cloud)
    assert changes == 1  # attaching the tag again, which `provision` leaves out
    assert read_inventory(cloud, "demo") == view


@pytest.mark.parametrize("acted", [False, True], ids=["never acted", "reply lost"])
def test_a_build_that_is_cut_off_at_any_call_goes_on_to_one_of_each(
    cloud: QingCloud, daemon: IaasDaemon, acted: bool
) -> None:
    total = count_changes(build, cloud)
    tear_down(cloud)
    assert resources(daemon) == {}
    assert total > 15
    for at in range(1, total + 1):
        until_done(build, CutOff(cloud, at, acted=acted))
        assert resources(daemon) == WHOLE, f"cut off at change {at}"
        until_done(tear_down, cloud)
        assert resources(daemon) == {}, f"cut off at change {at}"


@pytest.mark.parametrize("acted", [False, True], ids=["never acted", "reply lost"])
def test_a_teardown_that_is_cut_off_at_any_call_leaves_nothing_when_run_again(
    cloud: QingCloud, daemon: IaasDaemon, acted: bool
) -> None:
    build(cloud)
    total = count_changes(tear_down, cloud)
    for at in range(1, total + 1):
        build(cloud)
        until_done(tear_down, CutOff(cloud, at, acted=acted))
        assert resources(daemon) == {}, f"cut off at change {at}"


def test_machines_of_a_group_start_in_one_call(cloud: QingCloud, daemon: IaasDaemon) -> None:
    build(cloud, SPEC.with_nodes(5))
    assert resources(daemon)["instance"] == 6
    assert daemon.iaas.calls["RunInstances"] == 2  # one a group


def test_more_nodes_add_machines_and_touch_no_other(cloud: QingCloud, daemon: IaasDaemon) -> None:
    build(cloud)
    before = {machine.id for machine in read_inventory(cloud, "demo").instances}
    build(cloud, SPEC.with_nodes(4))
    after = {machine.id for machine in read_inventory(cloud, "demo").instances}
    assert before < after
    assert len(after - before) == 2


def test_somebody_else_s_network_of_our_name_is_never_touched(
    cloud: QingCloud, daemon: IaasDaemon
) -> None:
    cloud.create_vpc(NAMES.router, "172.16.0.0/16", "")
    before = resources(daemon)
    with pytest.raises(NameTaken, match=r"172\.16\.0\.0/16, wanted is 192\.168\.0\.0/16"):
        network.ensure_vpc(cloud, SPEC, "", HurriedClock())
    assert resources(daemon) == before


def test_a_tag_that_is_used_for_something_else_is_left_alone(
    cloud: QingCloud, daemon: IaasDaemon
) -> None:
    eip_id = cloud.allocate_eip("somebody's", 1, Billing.TRAFFIC)
    tag_id = cloud.create_tag(NAMES.tag)
    cloud.attach_tag(tag_id, [("eip", eip_id)])
    build(cloud)
    assert read_inventory(cloud, "demo").tag is None
    tear_down(cloud)
    assert read_inventory(cloud, "demo").is_empty
    assert [tag.resource_ids for tag in cloud.find_tags(NAMES.tag)] == [(eip_id,)]


def test_a_hole_in_the_firewall_is_planned_and_closed(cloud: QingCloud) -> None:
    from domain.cloud.records import RuleSpec

    build(cloud)
    view = read_inventory(cloud, "demo")
    assert view.firewall is not None
    cloud.add_rules(view.firewall.id, [RuleSpec("hole", "tcp", 1, 65535, "")])
    (change,) = plan_cluster(SPEC, read_inventory(cloud, "demo")).changes
    assert (change.action, change.reason) == (Action.CHANGE, "0 rules missing, 1 unwanted")
    build(cloud)
    assert plan_cluster(SPEC, read_inventory(cloud, "demo")).changes == ()


def test_another_port_for_the_api_leaves_nothing_of_the_old_one(
    cloud: QingCloud, daemon: IaasDaemon
) -> None:
    build(cloud)
    moved = changed(SPEC, {"access": {"api_port": 9443}})
    [old] = [one for one in read_inventory(cloud, "demo").listeners if one.port == 8080]
    planned = plan_cluster(moved, read_inventory(cloud, "demo")).changes
    assert PlanItem("listener", "k8s.demo.api", Action.DELETE, STALE, old.id) in planned
    build(cloud, moved)
    view = read_inventory(cloud, "demo")
    assert sorted(one.port for one in view.listeners) == [6443, 8443, 9443]
    assert plan_cluster(moved, view).changes == ()
    assert resources(daemon) == WHOLE


def test_ports_that_change_places_lead_where_they_should(cloud: QingCloud) -> None:
    build(cloud)
    swapped = changed(SPEC, {"access": {"api_port": 8443, "ui_port": 8080}})
    build(cloud, swapped)
    view = read_inventory(cloud, "demo")
    ports = {backend.listener_id: backend.port for backend in view.backends}
    assert {one.port: ports[one.id] for one in view.listeners} == {
        8443: 6443,
        6443: 6443,
        8080: balancer.UI_NODE_PORT,
    }
    assert plan_cluster(swapped, view).changes == ()


def test_a_listener_that_somebody_else_added_stays(cloud: QingCloud) -> None:
    build(cloud)
    [lb] = cloud.find_loadbalancers(NAMES.balancer)
    cloud.add_listeners(lb.id, [ListenerSpec("shop", 9000)])
    build(cloud)
    view = read_inventory(cloud, "demo")
    assert plan_cluster(SPEC, view).changes == ()
    assert 9000 in {one.port for one in view.listeners}
