"""What uses a cluster's resources and is not its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.cloud.addons import Requests
from domain.cloud.foreign import read_surroundings
from domain.cloud.inventory import Inventory
from domain.cloud.records import Instance, LoadBalancer, Nic
from domain.spec.cluster import ClusterSpec
from tests.domain.makers import CREATED, make_instance, make_view

VIEW = make_view(ClusterSpec())
SHOWN = make_instance(50, name="bastion")


@dataclass
class Account:
    """The rest of an account; machines that are not among `machines` are hidden."""

    machines: Sequence[Instance] = ()
    balancers: Sequence[LoadBalancer] = ()
    nics: Sequence[Nic] = ()

    @property
    def known(self) -> "Account":
        return self

    def list_loadbalancers(self) -> Sequence[LoadBalancer]:
        return self.balancers

    def read_nothing(self, ids: Sequence[str]) -> Sequence[object]:
        assert not ids
        return ()

    read_eips = read_volumes = read_nothing

    def list_nics(self, vxnet_ids: Sequence[str]) -> Sequence[Nic]:
        return [nic for nic in self.nics if nic.vxnet_id in vxnet_ids]

    def read_instances(self, ids: Sequence[str]) -> Sequence[Instance]:
        return [one for one in self.machines if one.id in ids]


def found(account: Account, view: Inventory = VIEW) -> list[tuple[str, str, str]]:
    around = read_surroundings(account, view, Requests())  # type: ignore[arg-type]
    return [(one.kind, one.id, one.where) for one in around.foreign]


def make_card(number: int, machine: str = "") -> Nic:
    return Nic(f"52:54:{number}", "", "vxnet-a", machine)


def test_only_cards_of_machines_that_the_cloud_shows_count() -> None:
    first = replace(VIEW.instances[0], nic_id="52:54:1")
    cards = (
        make_card(1, first.id),
        make_card(2, "i-hidden-router"),
        make_card(3, SHOWN.id),
        make_card(4),
    )
    view = replace(VIEW, instances=(first, *VIEW.instances[1:]))
    account = Account(machines=(first, SHOWN), nics=cards)
    assert [card for _, card, _ in found(account, view)] == ["52:54:3", "52:54:4"]


def test_machines_that_are_hidden_or_gone_do_not_count() -> None:
    vxnet = replace(VIEW.vxnets[0], instance_ids=(SHOWN.id, "i-hidden", VIEW.nodes[0].id))
    view = replace(VIEW, vxnets=(vxnet,))
    assert found(Account(machines=(SHOWN,)), view) == [("machine", SHOWN.id, "vxnet-a")]


def test_a_machine_with_our_key_pair_and_a_balancer_behind_our_firewall_count() -> None:
    assert VIEW.keypair is not None
    view = replace(VIEW, keypair=replace(VIEW.keypair, instance_ids=(SHOWN.id,)))
    shop = LoadBalancer("lb-shop", "shop", "vxnet-0", "", "active", "", True, "sg-f", CREATED)
    account = Account(machines=(SHOWN,), balancers=(shop,))
    assert found(account, view) == [
        ("machine", SHOWN.id, "kp-a"),
        ("load balancer", "lb-shop", "sg-f"),
    ]
