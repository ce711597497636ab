"""The numbers of the protobuf fields that kubectl's `create` commands and reviews send.

Each message is written as `number name type`, one field a line. A type is string, bytes, bool, int
or the name of a message; `[]` before it is a list, `{}` a map with text keys, and `?` a pointer,
whose zero value counts as given.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: str
    is_list: bool
    is_map: bool
    is_pointer: bool
    is_required: bool = False


KINDS = frozenset(
    (
        "Namespace", "ConfigMap", "Secret", "ServiceAccount", "Service", "Deployment",
        "PodDisruptionBudget", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding",
        "TokenRequest", "SelfSubjectReview", "SelfSubjectAccessReview", "SelfSubjectRulesReview",
        "SubjectAccessReview", "DeleteOptions",
    )
)  # fmt: skip
"""What may stand at the top of a body."""

_TEXT = """
Unknown
1 typeMeta TypeMeta
2 raw bytes
TypeMeta
1 apiVersion string
2 kind string
ObjectMeta
1 name string
2 generateName string
3 namespace string
5 uid string
6 resourceVersion string
8 creationTimestamp Time
11 labels {}string
12 annotations {}string
13 ownerReferences []OwnerReference
14 finalizers []string
OwnerReference
1 kind string
3 name string
4 uid string
5 apiVersion string
6 controller ?bool
7 blockOwnerDeletion ?bool
Time
1 seconds ?int
2 nanos int
Quantity
1 string string
IntOrString
1 type int
2 intVal int
3 strVal string
LabelSelector
1 matchLabels {}string
2 matchExpressions []LabelSelectorRequirement
LabelSelectorRequirement
1 key string
2 operator string
3 values []string
LocalObjectReference
1 name string
ObjectReference
1 kind string
2 namespace string
3 name string
4 uid string
5 apiVersion string
DeleteOptions
1 gracePeriodSeconds ?int
2 preconditions Preconditions
3 orphanDependents ?bool
4 propagationPolicy string
5 dryRun []string
Preconditions
1 uid string
2 resourceVersion string
Namespace
1 metadata ObjectMeta
2 spec NamespaceSpec
NamespaceSpec
1 finalizers []string
ConfigMap
1 metadata ObjectMeta
2 data {}string
3 binaryData {}bytes
4 immutable ?bool
Secret
1 metadata ObjectMeta
2 data {}bytes
3 type string
4 stringData {}string
5 immutable ?bool
ServiceAccount
1 metadata ObjectMeta
2 secrets []ObjectReference
3 imagePullSecrets []LocalObjectReference
4 automountServiceAccountToken ?bool
Service
1 metadata ObjectMeta
2 spec ServiceSpec
ServiceSpec
1 ports []ServicePort
2 selector {}string
3 clusterIP string
4 type string
5 externalIPs []string
7 sessionAffinity string
8 loadBalancerIP string
10 externalName string
11 externalTrafficPolicy string
13 publishNotReadyAddresses bool
17 ipFamilyPolicy ?string
18 clusterIPs []string
19 ipFamilies []string
22 internalTrafficPolicy ?string
ServicePort
1 name string
2 protocol string
3 port int
4 targetPort IntOrString
5 nodePort int
6 appProtocol ?string
Deployment
1 metadata ObjectMeta
2 spec DeploymentSpec
DeploymentSpec
1 replicas ?int
2 selector LabelSelector
3 template PodTemplateSpec
4 strategy DeploymentStrategy
5 minReadySeconds int
6 revisionHistoryLimit ?int
7 paused bool
9 progressDeadlineSeconds ?int
Pod
1 metadata ObjectMeta
2 spec PodSpec
ReplicationController
1 metadata ObjectMeta
2 spec ReplicationControllerSpec
ReplicationControllerSpec
1 replicas ?int
2 selector {}string
3 template PodTemplateSpec
4 minReadySeconds int
ReplicaSet
1 metadata ObjectMeta
2 spec ReplicaSetSpec
ReplicaSetSpec
1 replicas ?int
2 selector LabelSelector
3 template PodTemplateSpec
4 minReadySeconds int
DaemonSet
1 metadata ObjectMeta
2 spec DaemonSetSpec
DaemonSetSpec
1 selector LabelSelector
2 template PodTemplateSpec
6 revisionHistoryLimit ?int
Node
1 metadata ObjectMeta
2 spec NodeSpec
3 status NodeStatus
NodeSpec
1 podCIDR string
3 providerID string
4 unschedulable bool
5 taints []Taint
7 podCIDRs []string
Taint
1 key string
2 value string
3 effect string
NodeStatus
1 capacity {}Quantity
2 allocatable {}Quantity
DeploymentStrategy
1 type string
2 rollingUpdate RollingUpdateDeployment
RollingUpdateDeployment
1 maxUnavailable ?IntOrString
2 maxSurge ?IntOrString
PodTemplateSpec
1 metadata ObjectMeta
2 spec PodSpec
PodSpec
2 containers []Container
3 restartPolicy string
4 terminationGracePeriodSeconds ?int
6 dnsPolicy string
7 nodeSelector {}string
8 serviceAccountName string
11 hostNetwork bool
15 imagePullSecrets []LocalObjectReference
19 schedulerName string
20 initContainers []Container
22 tolerations []Toleration
24 priorityClassName string
Toleration
1 key string
2 operator string
3 value string
4 effect string
5 tolerationSeconds ?int
Container
1 name string
2 image string
3 command []string
4 args []string
5 workingDir string
6 ports []ContainerPort
7 env []EnvVar
8 resources ResourceRequirements
13 terminationMessagePath string
14 imagePullPolicy string
20 terminationMessagePolicy string
ContainerPort
1 name string
2 hostPort int
3 containerPort int
4 protocol string
EnvVar
1 name string
2 value string
ResourceRequirements
1 limits {}Quantity
2 requests {}Quantity
PodDisruptionBudget
1 metadata ObjectMeta
2 spec PodDisruptionBudgetSpec
PodDisruptionBudgetSpec
1 minAvailable ?IntOrString
2 selector LabelSelector
3 maxUnavailable ?IntOrString
4 unhealthyPodEvictionPolicy ?string
Role
1 metadata ObjectMeta
2 rules []PolicyRule
ClusterRole
1 metadata ObjectMeta
2 rules []PolicyRule
3 aggregationRule AggregationRule
AggregationRule
1 clusterRoleSelectors []LabelSelector
PolicyRule
1 verbs []string
2 apiGroups []string
3 resources []string
4 resourceNames []string
5 nonResourceURLs []string
RoleBinding
1 metadata ObjectMeta
2 subjects []Subject
3 roleRef RoleRef
ClusterRoleBinding
1 metadata ObjectMeta
2 subjects []Subject
3 roleRef RoleRef
Subject
1 kind string
2 apiGroup string
3 name string
4 namespace string
RoleRef
1 apiGroup string
2 kind string
3 name string
TokenRequest
1 metadata ObjectMeta
2 spec TokenRequestSpec
TokenRequestSpec
1 audiences []string
4 expirationSeconds ?int
SelfSubjectReview
1 metadata ObjectMeta
SelfSubjectRulesReview
1 metadata ObjectMeta
2 spec SelfSubjectRulesReviewSpec
SelfSubjectRulesReviewSpec
1 namespace string
SelfSubjectAccessReview
1 metadata ObjectMeta
2 spec AccessReviewSpec
SubjectAccessReview
1 metadata ObjectMeta
2 spec AccessReviewSpec
AccessReviewSpec
1 resourceAttributes ResourceAttributes
2 nonResourceAttributes NonResourceAttributes
3 user string
4 groups []string
ResourceAttributes
1 namespace string
2 verb string
3 group string
4 version string
5 resource string
6 subresource string
7 name string
NonResourceAttributes
1 path string
2 verb string
"""


def parse_field(name: str, kind: str) -> Field:
    """Read the notation of one field's type."""
    plain = kind.removeprefix("[]").removeprefix("{}").removeprefix("?").removesuffix("!")
    return Field(
        name,
        plain,
        is_list=kind.startswith("[]"),
        is_map=kind.startswith("{}"),
        is_pointer=kind.startswith("?"),
        is_required=kind.endswith("!"),
    )


def _read(text: str) -> dict[str, dict[int, Field]]:
    messages: dict[str, dict[int, Field]] = {}
    fields: dict[int, Field] = {}
    for line in text.strip().splitlines():
        match line.split():
            case [message]:
                fields = messages.setdefault(message, {})
            case [number, name, kind]:
                fields[int(number)] = parse_field(name, kind)
    return messages


MESSAGES = _read(_TEXT)
"""The fields of each message by their numbers."""
