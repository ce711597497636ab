"""What an evaluation of a group begins with: machines, description and policies."""

from dataclasses import dataclass

from blocks.policies import read_policy
from domain.cloud.inventory import Machines
from domain.kernel.errors import NotFound, PolicyUnreadable
from domain.kernel.names import NODES
from domain.spec.cluster import ClusterSpec
from domain.spec.presets import DEFAULT, DEFAULT_OF_FURTHER, PRESETS, UnreadPolicy
from domain.spec.scaling import ScalingPolicy
from tasks.cluster import Cluster
from tasks.endpoints import read_spec_at_kept_endpoints
from tasks.metrics import need_machines
from tasks.overview import with_sources


@dataclass(frozen=True)
class Case:
    """The input of an evaluation, read from the cloud and from the cluster.

    Attributes:
        cluster: the handle, with the description that the cluster stores.
        asked: the policy that was given by name or file; empty for the description's own.
        others: the policies of the other groups of nodes, with which it shares waiting pods.
    """

    cluster: Cluster
    machines: Machines
    policy: ScalingPolicy
    asked: str = ""
    others: tuple[ScalingPolicy, ...] = ()

    @property
    def group(self) -> str:
        return self.policy.group

    @property
    def spec(self) -> ClusterSpec:
        return self.cluster.spec

    @property
    def size(self) -> int:
        """Machines of the group that the cloud lists."""
        return len(self.machines.group(self.group))

    def with_machines(self, count: int, **template: object) -> Cluster:
        """The handle with a wanted count, which may exceed the bounds while machines leave."""
        most = max(count, self.spec.nodes_of(self.group).maximum)
        changes = {"count": count, "maximum": most, "template": template}
        return self.cluster.wanting(self.spec.with_group(self.group, changes))


@dataclass(frozen=True)
class Input:
    """What the evaluations of all groups begin with.

    Attributes:
        cluster: the handle, with the description that the cluster stores.
    """

    cluster: Cluster
    machines: Machines

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of nodes, `k8s-node` first."""
        return tuple(self.cluster.spec.node_groups)

    def evaluated(self, policy: str) -> tuple[str, ...]:
        """The groups to evaluate: all, or with a policy that was asked for only one.

        That one is the policy's own group, if it names one.
        """
        return self.groups[:1] if policy else self.groups

    def case(self, policy: str = "", group: str = NODES) -> Case:
        """The input of the evaluation of one group.

        Args:
            policy: a preset or a YAML file; if empty, the description's own.
            group: the group of nodes that is evaluated; that of the policy, if it names one.

        Raises:
            PolicyUnreadable: the stored policy is not valid in this version.
            InvalidSpec: there is no such policy, or no such group.
        """
        spec = self.cluster.spec
        given = _of_group(read_policy(policy), group) if policy else None
        group = given.group if given else group
        spec.nodes_of(group)
        policies = {name: policy_of(spec, name) for name in self.groups}
        chosen = given or policies[group]
        if isinstance(chosen, UnreadPolicy):
            raise PolicyUnreadable(spec.name, chosen.reason)
        others = tuple(
            one
            for name, one in policies.items()
            if name != group and isinstance(one, ScalingPolicy)
        )
        return Case(self.cluster, self.machines, chosen, policy, others)


def read_input(cluster: Cluster) -> Input:
    """Read a cluster's machines, with one call of the cloud, and its description.

    Raises:
        NotFound: there is no such cluster, or it does not answer: with guessed bounds no machine
            may be removed.
        CredentialsMissing: this Prefect server has none of this cluster.
    """
    machines = need_machines(cluster)
    cluster.check_not_ending()
    cluster, stored = read_spec_at_kept_endpoints(cluster, machines)
    if stored is None:
        raise NotFound(f"cluster {cluster.name} does not answer, or is not finished yet")
    spec = with_sources(cluster.account, stored)
    return Input(cluster.wanting(spec), machines)


def open_case(cluster: Cluster, policy: str = "", group: str = NODES) -> Case:
    """Read the input of one group's evaluation. Raises as `read_input` and `Input.case` do."""
    return read_input(cluster).case(policy, group)


def policy_of(spec: ClusterSpec, group: str) -> ScalingPolicy | UnreadPolicy:
    """The policy of a group of nodes: the described one, or a preset."""
    ready = PRESETS[DEFAULT if group == NODES else DEFAULT_OF_FURTHER]
    return spec.policy(group) or _of_group(ready, group)


def _of_group(policy: ScalingPolicy, group: str) -> ScalingPolicy:
    """A policy as that of a group, unless it names another one."""
    return policy if policy.group != NODES else policy.model_copy(update={"group": group})
