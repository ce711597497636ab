"""Which machines may become nodes of a cluster that they are not of."""

from dataclasses import replace

import pytest

from domain.cloud.records import Instance, InstanceStatus
from domain.cluster.api import Node
from domain.kernel.errors import InvalidSpec
from domain.kernel.names import NODES
from domain.node.adoption import as_member, check_adoptable, find_adopted
from domain.node.install import ADOPTED_LABEL, GROUP_LABEL, INSTANCE_LABEL
from domain.spec.cluster import ClusterSpec
from tests.domain.makers import make_instance, make_view

SEEN = make_view(ClusterSpec(), nodes=1)
assert SEEN.vpc is not None
VIEW = replace(SEEN, vpc=replace(SEEN.vpc, vxnet_ids=("vxnet-1", "vxnet-2")))
SHOP = replace(make_instance(), id="i-shop", name="shop", vxnet_id="vxnet-2")


ADOPTED = Node(
    "k8s-node-shop",
    "192.168.1.9",
    True,
    True,
    40,
    labels={ADOPTED_LABEL: "i-shop", GROUP_LABEL: NODES},
)


@pytest.mark.parametrize(
    ("machine", "group", "sentence"),
    [
        pytest.param(
            replace(SHOP, name="k8s.other.k8s-node"), NODES, "of cluster other, and not", id="other"
        ),
        pytest.param(make_instance(), NODES, "is already a machine of cluster demo", id="own"),
        pytest.param(
            replace(SHOP, status=InstanceStatus.STOPPED), NODES, "it is stopped; start it", id="off"
        ),
        pytest.param(
            replace(SHOP, vxnet_id="vxnet-else"),
            NODES,
            "is in the private network vxnet-else",
            id="net",
        ),
        pytest.param(
            SHOP, "gpu", "is node k8s-node-shop of group k8s-node; release it", id="group"
        ),
    ],
)
def test_a_machine_that_cannot_become_a_node_is_refused(
    machine: Instance, group: str, sentence: str
) -> None:
    with pytest.raises(InvalidSpec, match=sentence):
        check_adoptable(machine, group, VIEW, [ADOPTED])
    check_adoptable(SHOP, NODES, VIEW, [ADOPTED])


def test_an_adopted_machine_is_found_by_its_node_and_has_a_name_of_the_group_in_a_run() -> None:
    own = Node("k8s-node-1", "192.168.1.2", True, True, 40, labels={INSTANCE_LABEL: "i-1"})
    assert find_adopted([own, ADOPTED]) == {"i-shop": ADOPTED}
    assert as_member(SHOP, "demo", "gpu").name == "k8s.demo.group.gpu"
