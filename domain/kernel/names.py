"""The names that a cluster's resources carry: deterministic, so that later runs find them."""

import re
from dataclasses import dataclass

MASTERS = "k8s-master"
NODES = "k8s-node"

FURTHER_GROUP = r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?"
"""The name of a further group of nodes, as a regular expression."""

_FURTHER = "group."
"""Before the name of a further group, so that it cannot be that of another resource."""

ROOT = "k8s."
"""The begin of all names of all clusters."""


def cluster_of(name: str) -> str:
    """The cluster that a resource's name is of; empty where the name is not one of ours."""
    root, _, rest = name.partition(".")
    cluster, dot, part = rest.partition(".")
    return cluster if f"{root}." == ROOT and dot and _PARTS.fullmatch(part) else ""


_GROUPS = rf"{MASTERS}|{NODES}|{re.escape(_FURTHER)}{FURTHER_GROUP}"
_PARTS = re.compile(rf"router|vxnet-\d+|eip|lb|firewall|machines|key|{_GROUPS}")


@dataclass(frozen=True, slots=True)
class ClusterId:
    """A cluster among those of all accounts.

    Attributes:
        name: for people, and for the resources of its account.
        key: the name and a digest of the account, such as `demo-1a2b3c4d`; for everything that is
            kept outside the cloud, where two accounts may have a cluster of one name.
    """

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Names:
    """All names of one cluster.

    Machines of a group share one name, so that one RunInstances starts many of them; their
    identity is the instance id.
    """

    cluster: str

    @property
    def prefix(self) -> str:
        return f"{ROOT}{self.cluster}."

    @property
    def router(self) -> str:
        return self.prefix + "router"

    @property
    def vxnets(self) -> str:
        """The prefix of the vxnets' names; a number follows."""
        return self.prefix + "vxnet-"

    def vxnet(self, number: int) -> str:
        return f"{self.vxnets}{number}"

    @property
    def address(self) -> str:
        return self.prefix + "eip"

    @property
    def balancer(self) -> str:
        return self.prefix + "lb"

    @property
    def firewall(self) -> str:
        """The security group of the router and of the load balancer."""
        return self.prefix + "firewall"

    @property
    def machines(self) -> str:
        """The security group of the machines."""
        return self.prefix + "machines"

    @property
    def ssh(self) -> str:
        """The port forward of SSH to a master."""
        return self.prefix + "ssh"

    @property
    def keypair(self) -> str:
        return self.prefix + "key"

    def group(self, group: str) -> str:
        """The name of a group's machines."""
        return self.prefix + ("" if group in (MASTERS, NODES) else _FURTHER) + group

    def find_group(self, name: str) -> str:
        """The group whose machines have this name; empty where it is no such name."""
        part = name.removeprefix(self.prefix)
        if part == name or not re.fullmatch(_GROUPS, part):
            return ""
        return part.removeprefix(_FURTHER)

    @property
    def tag(self) -> str:
        """Tag names hold at most 14 characters on QingCloud: the cluster's name is all of it."""
        return self.cluster

    @property
    def api_host(self) -> str:
        """The host name of the API server inside the cluster; its address differs by machine."""
        return f"k8s-api.{self.cluster}.internal"


def node_name(group: str, instance_id: str) -> str:
    """Name a machine, and its node, after its group and its instance id."""
    return f"{group}-{instance_id.removeprefix('i-')}"
