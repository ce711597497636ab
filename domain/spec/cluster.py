"""The description of one wanted cluster, and every check that needs no cloud."""

from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv4Network
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError, WithJsonSchema, model_validator

from domain.kernel.errors import InvalidSpec
from domain.kernel.names import MASTERS, NODES
from domain.spec.addons import AddOns
from domain.spec.alarms import AlarmRule, distinct, find_unmeasured
from domain.spec.backup import Backup
from domain.spec.documents import describe_invalid
from domain.spec.groups import Groups, MachineTemplate, Masters, Nodes, check_taints
from domain.spec.hooks import Hook, check_groups, distinct_hooks
from domain.spec.kubernetes import Kubernetes
from domain.spec.monitoring import Monitoring
from domain.spec.network import Access, Network, PublicAddress
from domain.spec.notifications import Notifications
from domain.spec.part import Part
from domain.spec.presets import STORED, PolicyOverPreset, UnreadPolicy
from domain.spec.prices import Prices
from domain.spec.scaling import ScalingPolicy

MACHINES_PER_VXNET = 250
"""A /24 has 253 addresses behind its gateway; a few are kept for the load balancer and for NICs."""

NAME = r"^[a-z]([a-z0-9-]{0,12}[a-z0-9])?$"
"""Tags on QingCloud hold at most 14 characters."""

ClusterName = Annotated[str, WithJsonSchema({"type": "string", "pattern": NAME})]
"""The name of a cluster as a parameter of a flow."""

GroupName = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[a-z][a-z0-9-]*$"})]
"""A group of nodes, as a parameter of a flow."""


class ClusterSpec(Part):
    """One wanted cluster; a form in the Prefect UI, a YAML file, or flags."""

    name: str = Field(
        "demo",
        pattern=NAME,
        description="Lower-case letters, digits and dashes, at most 14, starting with a letter",
    )
    masters: Masters = Masters()
    nodes: Nodes = Nodes()
    groups: Groups = Field(default={}, description="Further groups of nodes, by their names")
    network: Network = Network()
    access: Access = Access()
    address: PublicAddress = PublicAddress()
    kubernetes: Kubernetes = Kubernetes()
    monitoring: Monitoring = Monitoring()
    alarms: Annotated[tuple[AlarmRule, ...], AfterValidator(distinct)] = Field(
        (),
        max_length=100,
        description="Rules beside the built-in ones; one of the same name replaces it",
    )
    hooks: Annotated[tuple[Hook, ...], AfterValidator(distinct_hooks)] = Field(
        (),
        max_length=50,
        description="Scripts that run when a machine of a group comes or goes",
    )
    backup: Backup = Backup()
    addons: AddOns = AddOns()
    notifications: Notifications = Notifications()
    prices: Prices = Prices()
    scaling: PolicyOverPreset | None = Field(
        None,
        description="When the nodes grow and shrink; `preset` names a ready policy to begin with",
    )

    @model_validator(mode="after")
    def _alarms_have_metrics(self) -> Self:
        if rule := find_unmeasured(self.alarms, {one.name for one in self.monitoring.custom}):
            raise ValueError(
                f"alarms: rule {rule.name} is about {rule.metric}, which nothing measures; "
                "add a custom monitor of that name, or correct it"
            )
        return self

    @model_validator(mode="after")
    def _groups_exist(self) -> Self:
        known = ", ".join(self.group_names)
        for monitor in self.monitoring.custom:
            if monitor.group not in self.group_names:
                raise ValueError(
                    f"monitoring: {monitor.name} runs on group {monitor.group!r}, which does not "
                    f"exist; known are {known}"
                )
        for rule in self.alarms:
            if rule.group and rule.group not in self.group_names:
                raise ValueError(
                    f"alarms: rule {rule.name} is about group {rule.group!r}, which does not "
                    f"exist; known are {known}"
                )
        for group, policy in self._policies.items():
            if isinstance(policy, ScalingPolicy) and policy.group not in (NODES, group):
                raise ValueError(f"the policy of group {group} is of group {policy.group!r}")
        check_groups(self.hooks, self.group_names)
        check_taints(self.node_groups)
        return self

    @model_validator(mode="after")
    def _fits(self) -> Self:
        largest, what = self.largest, " + ".join(self._maxima)
        vxnets = self.vxnets_for(largest)
        if vxnets > 255:
            raise ValueError(f"{what} needs {vxnets} vxnets of a /16")
        if 0 < len(self.network.vxnets) < vxnets:
            raise ValueError(
                f"{what} needs {vxnets} vxnets, and network.vxnets "
                f"names {len(self.network.vxnets)}; name more, or lower a maximum"
            )
        pods = IPv4Network(self.network.pod_cidr)
        if (
            self.node_cidr_mask <= pods.prefixlen
            or 2 ** (self.node_cidr_mask - pods.prefixlen) < largest
        ):
            raise ValueError(
                f"pod_cidr {pods} has no room for {largest} machines with "
                f"{self.kubernetes.max_pods} pods each; "
                "use a larger range or a smaller maximum"
            )
        return self

    @property
    def _maxima(self) -> Iterator[str]:
        """The settings that say how large the groups may become, with their values."""
        yield f"nodes.maximum {self.nodes.maximum}"
        for name, group in self.groups.items():
            yield f"groups.{name}.maximum {group.maximum}"

    @property
    def _policies(self) -> dict[str, ScalingPolicy | UnreadPolicy | None]:
        further = {name: group.scaling for name, group in self.groups.items()}
        return {NODES: self.scaling, **further}

    @property
    def given(self) -> dict[str, Any]:
        """The values that were given, without defaults; the caller lays them over stored values."""
        return self.model_dump(mode="json", exclude_unset=True)

    @staticmethod
    def vxnets_for(machines: int) -> int:
        return max(1, -(-machines // MACHINES_PER_VXNET))

    @property
    def node_cidr_mask(self) -> int:
        """The share of the pod network that each node gets, as a prefix length.

        A /24 where it fits. A smaller share leaves twice as many addresses as pods, because an
        address is not free again in the same second as its pod.
        """
        pods = IPv4Network(self.network.pod_cidr)
        smallest_share = 32 - (2 * self.kubernetes.max_pods + 2 - 1).bit_length()
        needed = pods.prefixlen + max(1, (self.largest - 1).bit_length())
        return min(max(24, needed), smallest_share)

    @property
    def node_groups(self) -> Mapping[str, Nodes]:
        """The groups of nodes by their names, `k8s-node` first."""
        return {NODES: self.nodes, **self.groups}

    @property
    def group_names(self) -> tuple[str, ...]:
        """The names of all groups, the masters' first."""
        return (MASTERS, *self.node_groups)

    @property
    def wanted(self) -> int:
        """The number of machines that are wanted now."""
        return sum(map(self.count, self.group_names))

    @property
    def largest(self) -> int:
        """The number of machines when all groups have grown to their maximum."""
        return self.masters.count + sum(group.maximum for group in self.node_groups.values())

    def nodes_of(self, group: str) -> Nodes:
        """A group of nodes. Raises `InvalidSpec` for an unknown one, and for the masters'."""
        if group == MASTERS:
            raise InvalidSpec(f"{MASTERS} runs the control plane; name a group of nodes")
        if group not in self.node_groups:
            known = ", ".join(self.node_groups)
            raise InvalidSpec(f"unknown group {group!r}; the groups of nodes are: {known}")
        return self.node_groups[group]

    def template(self, group: str) -> MachineTemplate:
        """The template of a group; of one that is not described any more, that of the nodes."""
        if group == MASTERS:
            return self.masters.template
        return self.node_groups.get(group, self.nodes).template

    def count(self, group: str) -> int:
        """The wanted size of a group; 0 of one that is not described any more."""
        if group == MASTERS:
            return self.masters.count
        return self.node_groups[group].count if group in self.node_groups else 0

    def policy(self, group: str) -> ScalingPolicy | UnreadPolicy | None:
        """The scaling policy that is described for a group of nodes, if there is one."""
        policy = self._policies[group]
        if isinstance(policy, ScalingPolicy) and policy.group != group:
            return policy.model_copy(update={"group": group})
        return policy

    def with_group(self, group: str, changes: Mapping[str, Any]) -> "ClusterSpec":
        """The same cluster with changes of one group of nodes, checked against its bounds.

        Args:
            changes: keys as below `nodes` in the YAML file.
        """
        self.nodes_of(group)
        return changed(self, {"nodes": changes} if group == NODES else {"groups": {group: changes}})

    def with_count(self, group: str, count: int) -> "ClusterSpec":
        """The same cluster with another size of one group, checked against its bounds."""
        if group == MASTERS:
            return changed(self, {"masters": {"count": count}})
        return self.with_group(group, {"count": count})


def parse_spec(document: Mapping[str, Any], *, stored: bool = False) -> ClusterSpec:
    """Check a document against the description of a cluster.

    Args:
        stored: keep an invalid scaling policy as an `UnreadPolicy`, so that nothing else stops.

    Raises:
        InvalidSpec: names the first invalid field, the reason, and valid values.
    """
    try:
        return ClusterSpec.model_validate(document, context=STORED if stored else None)
    except ValidationError as error:
        raise InvalidSpec(describe_invalid(error, ClusterSpec, _ADVICE)) from error


def changed(spec: ClusterSpec, changes: Mapping[str, Any]) -> ClusterSpec:
    """Lay changes, nested as in the YAML file, over a description, and check the whole again.

    A group or a label with nothing behind its name is removed.
    """
    document = overlay(spec.model_dump(mode="json"), changes)
    groups = _without_empty(document["groups"])
    for group in (document["nodes"], *groups.values()):
        if isinstance(group, dict) and isinstance(group.get("template"), dict):
            group["template"] |= {"labels": _without_empty(group["template"].get("labels", {}))}
    document["groups"] = groups
    unread = [name for name in spec.node_groups if isinstance(spec.policy(name), UnreadPolicy)]
    unread = [name for name in unread if not _gives_policy(changes, name)]
    if not unread:
        return parse_spec(document)
    parse_spec(_without_policies(document, unread))  # the others must be readable
    return parse_spec(document, stored=True)


def _gives_policy(changes: Mapping[str, Any], group: str) -> bool:
    if group == NODES:
        return "scaling" in changes
    given = (changes.get("groups") or {}).get(group) or {}
    return "scaling" in given


def _without_policies(document: Mapping[str, Any], groups: Collection[str]) -> dict[str, Any]:
    """Leave the policies of some groups out of a document."""
    rest = {**document, "groups": dict(document["groups"])}
    for name in groups:
        if name == NODES:
            rest["scaling"] = None
        elif name in rest["groups"]:
            rest["groups"][name] = {**rest["groups"][name], "scaling": None}
    return rest


def _without_empty(given: Any) -> Any:
    """Leave out the names with nothing behind them: these are to be removed."""
    if not isinstance(given, Mapping):
        return given
    return {name: value for name, value in given.items() if value is not None}


def overlay(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two nested documents; the second one wins, lists are replaced.

    A part of the second document that names a preset replaces the part of the first one, too.
    """
    merged = dict(document)
    for key, value in changes.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping) and "preset" not in value:
            merged[key] = overlay(below, value)
        else:
            merged[key] = value
    return merged


_IMAGE = "use a registry with a path and a version, such as registry.k8s.io/pause:3.10"

_ADVICE: dict[str, str] = {
    "addons.metrics_server.image": _IMAGE,
    "addons.cloud_controller.image": _IMAGE,
    "addons.csi.image": _IMAGE,
    "network.vpc": "use the id of a router, such as rtr-1a2b3c4d",
    "network.vxnets": "use ids of vxnets, such as [vxnet-1a2b3c4d]",
    "address.eip": "use the id of a public address, such as eip-1a2b3c4d",
    "access.jump": "use [user@]host[:port], as ssh -J takes it",
    "access.keypair": "use the id of a key pair, such as kp-1a2b3c4d",
    "name": "use lower-case letters, digits and dashes, at most 14 characters, "
    "starting with a letter",
    "kubernetes.version": "use a full version of 1.35, 1.36 or 1.37, such as 1.36.4",
    "kubernetes.image_repository": "use registries with their paths, with a space between "
    "two, such as registry.k8s.io",
    "kubernetes.package_mirror": "use aliyun, tuna, upstream or URLs, with a space between two",
}
