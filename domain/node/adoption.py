"""Machines that existed before they became nodes of a cluster: adopted ones.

An adopted machine keeps its name, and only a label of its node says that it is one. So nothing that
lists the machines of a cluster counts it, scales it, replaces it or deletes it.
"""

from collections.abc import Iterable
from dataclasses import replace

from domain.cloud.inventory import Inventory
from domain.cloud.records import Instance
from domain.cluster.api import Node
from domain.kernel.errors import InvalidSpec
from domain.kernel.names import Names, cluster_of
from domain.node.install import ADOPTED_LABEL, GROUP_LABEL
from domain.node.serving import find_off


def as_member(machine: Instance, cluster: str, group: str) -> Instance:
    """The machine as the steps of a group's machines take it: with a name of the group."""
    return replace(machine, name=Names(cluster).group(group))


def find_adopted(nodes: Iterable[Node]) -> dict[str, Node]:
    """The nodes of adopted machines, by the ids of these."""
    return {node.labels[ADOPTED_LABEL]: node for node in nodes if ADOPTED_LABEL in node.labels}


def check_adoptable(
    machine: Instance, group: str, inventory: Inventory, adopted: Iterable[Node]
) -> None:
    """Check that a machine can become a node of a group.

    Args:
        adopted: the nodes of machines that are adopted already.

    Raises:
        InvalidSpec: it is another cluster's or this one's, switched off, in another network, or
            adopted for another group.
    """
    if owner := cluster_of(machine.name):
        whose = "already" if owner == inventory.name else f"of cluster {owner}, and not"
        raise InvalidSpec(
            f"machine {machine.id} ({machine.name}) is {whose} a machine of cluster "
            f"{inventory.name}; only machines of no cluster are adopted"
        )
    if fault := find_off(machine):
        raise InvalidSpec(f"machine {machine.id} ({machine.name}): {fault}; start it first")
    vpc = inventory.vpc
    if vpc is None or machine.vxnet_id not in vpc.vxnet_ids:
        raise InvalidSpec(
            f"machine {machine.id} ({machine.name}) is in the private network "
            f"{machine.vxnet_id or 'of no router'}, which is not one of cluster {inventory.name} "
            f"({', '.join(vpc.vxnet_ids) if vpc else 'it has no router'}); let it join one of these"
        )
    for node in adopted:
        present = node.labels.get(GROUP_LABEL)
        if node.labels[ADOPTED_LABEL] == machine.id and present != group:
            raise InvalidSpec(
                f"machine {machine.id} is node {node.name} of group {present}; release it first "
                "(adopt --release), then adopt it for the other group"
            )
