"""The inventory: a name alone is no proof."""

from dataclasses import replace

import pytest

from domain.cloud.inventory import Inventory, check_fit
from domain.cloud.records import Vxnet
from domain.kernel.errors import NameTaken
from domain.kernel.names import MASTERS, NODES
from domain.spec.cluster import ClusterSpec
from tests.domain.makers import CREATED, make_instance, make_view

VIEW = make_view(ClusterSpec())
FOREIGN = Vxnet("vxnet-z", "k8s.demo.vxnet-2", "rtr-other", "192.168.2.0/24", CREATED)


def test_a_whole_cluster_fits() -> None:
    check_fit(VIEW)
    assert [machine.id for machine in VIEW.masters] == ["i-k8s-master100"]
    assert len(VIEW.nodes) == 2


@pytest.mark.parametrize(
    ("view", "fact"),
    [
        pytest.param(
            replace(VIEW, vxnets=(*VIEW.vxnets, FOREIGN)),
            "vxnet-z.*has joined router rtr-other",
            id="vxnet of another router",
        ),
        pytest.param(
            replace(VIEW, instances=(*VIEW.instances, make_instance(9, vxnet_id="vxnet-z"))),
            "i-k8s-node9.*is in vxnet vxnet-z",
            id="machine in another network",
        ),
        pytest.param(
            replace(VIEW, vpc=None), "not this cluster's", id="network without its router"
        ),
        pytest.param(
            replace(VIEW, vxnets=(), instances=()), "lb-a.*is in vxnet-a", id="balancer elsewhere"
        ),
    ],
)
def test_a_foreign_resource_is_named_and_refused(view: Inventory, fact: str) -> None:
    with pytest.raises(NameTaken, match=fact):
        check_fit(view)


def test_machines_of_a_group_come_oldest_first() -> None:
    shuffled = replace(VIEW, instances=(make_instance(3), make_instance(1), make_instance(2)))
    assert [machine.id[-1] for machine in shuffled.group(NODES)] == ["1", "2", "3"]
    assert shuffled.group(MASTERS) == ()
