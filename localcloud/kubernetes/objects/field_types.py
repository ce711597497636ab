"""The JSON types of fields that somebody here counts on, by the record that they stand in.

To the table that protobuf bodies are read by comes what only JSON bodies hold. The notation is the
same, without numbers; `!` after a type marks what each record must have.
"""

from localcloud.kubernetes.objects.protobuf_fields import MESSAGES, Field, parse_field

_TEXT = """
LabelSelectorRequirement
key string!
operator string!
NodeStatus
addresses []NodeAddress
conditions []Condition
nodeInfo NodeSystemInfo
NodeAddress
type string!
address string!
NodeSystemInfo
architecture string
containerRuntimeVersion string
kernelVersion string
kubeletVersion string
osImage string
Taint
key string!
effect string!
timeAdded Time
Condition
type string!
status string!
reason string
message string
lastTransitionTime Time
Pod
status PodStatus
PodSpec
affinity Affinity
nodeName string
priority int
schedulingGates []SchedulingGate
topologySpreadConstraints []TopologySpreadConstraint
volumes []Volume
SchedulingGate
name string!
TopologySpreadConstraint
topologyKey string!
maxSkew int!
whenUnsatisfiable string!
labelSelector LabelSelector
minDomains int
nodeAffinityPolicy string
nodeTaintsPolicy string
Affinity
nodeAffinity NodeAffinity
podAffinity PodAffinity
podAntiAffinity PodAffinity
PodAffinity
requiredDuringSchedulingIgnoredDuringExecution []PodAffinityTerm
PodAffinityTerm
topologyKey string
labelSelector LabelSelector
namespaceSelector LabelSelector
namespaces []string
NodeAffinity
requiredDuringSchedulingIgnoredDuringExecution NodeSelector
NodeSelector
nodeSelectorTerms []NodeSelectorTerm
NodeSelectorTerm
matchExpressions []NodeSelectorRequirement
matchFields []NodeSelectorRequirement
NodeSelectorRequirement
key string!
operator string!
values []string
Volume
name string!
configMap ConfigMapVolume
secret SecretVolume
emptyDir EmptyDirVolume
hostPath HostPathVolume
ConfigMapVolume
name string!
optional bool
SecretVolume
secretName string!
items []KeyToPath
optional bool
KeyToPath
key string!
path string!
EmptyDirVolume
sizeLimit Quantity
HostPathVolume
path string!
Container
volumeMounts []VolumeMount
livenessProbe Probe
readinessProbe Probe
startupProbe Probe
VolumeMount
name string
mountPath string
Probe
httpGet HttpGet
HttpGet
port IntOrString!
path string
ContainerPort
containerPort int
EnvVar
name string!
valueFrom EnvVarSource
EnvVarSource
fieldRef FieldReference
FieldReference
fieldPath string!
PodStatus
phase string
reason string
podIP string
startTime Time
conditions []Condition
containerStatuses []ContainerStatus
initContainerStatuses []ContainerStatus
ContainerStatus
name string!
ready bool
restartCount int
state ContainerState
ContainerState
running ContainerStateRunning
terminated ContainerStateTerminated
waiting ContainerStateWaiting
ContainerStateRunning
startedAt Time
ContainerStateTerminated
exitCode int
reason string
ContainerStateWaiting
reason string
DaemonSetSpec
updateStrategy DaemonSetUpdateStrategy
DaemonSetUpdateStrategy
type string
rollingUpdate RollingUpdateDaemonSet
RollingUpdateDaemonSet
maxUnavailable IntOrString
Service
status ServiceStatus
ServiceStatus
loadBalancer LoadBalancerStatus
LoadBalancerStatus
ingress []LoadBalancerIngress
LoadBalancerIngress
ip string
hostname string
Deployment
status ReplicaStatus
ReplicaSet
status ReplicaStatus
ReplicationController
status ReplicaStatus
ReplicaStatus
replicas int
readyReplicas int
availableReplicas int
updatedReplicas int
observedGeneration int
conditions []Condition
DaemonSet
status DaemonSetStatus
DaemonSetStatus
desiredNumberScheduled int
currentNumberScheduled int
numberReady int
numberAvailable int
updatedNumberScheduled int
conditions []Condition
PodDisruptionBudget
status PodDisruptionBudgetStatus
PodDisruptionBudgetStatus
currentHealthy int
desiredHealthy int
disruptionsAllowed int
disruptedPods {}Time
expectedPods int
observedGeneration int
conditions []Condition
Endpoints
metadata ObjectMeta
subsets []EndpointSubset
EndpointSubset
addresses []EndpointAddress
notReadyAddresses []EndpointAddress
ports []EndpointPort
EndpointAddress
ip string!
EndpointPort
name string
port int!
protocol string
EndpointSlice
metadata ObjectMeta
addressType string!
endpoints []Endpoint
ports []SlicePort
Endpoint
addresses []string!
conditions EndpointConditions
targetRef ObjectReference
EndpointConditions
ready bool
SlicePort
name string
port int
protocol string
Event
metadata ObjectMeta
involvedObject ObjectReference!
reason string
message string
source EventSource
type string
count int
firstTimestamp Time
lastTimestamp Time
eventTime Time
reportingComponent string
reportingInstance string
series EventSeries
ObjectReference
fieldPath string
EventSource
component string
host string
EventSeries
count int
lastObservedTime Time
Lease
metadata ObjectMeta
spec LeaseSpec
LeaseSpec
holderIdentity string
leaseDurationSeconds int
renewTime Time
acquireTime Time
PriorityClass
metadata ObjectMeta
value int!
globalDefault bool
preemptionPolicy string
Subject
kind string!
name string!
RoleRef
kind string!
name string!
"""


def _read() -> dict[str, dict[str, Field]]:
    found = {
        message: {field.name: field for field in fields.values()}
        for message, fields in MESSAGES.items()
    }
    fields: dict[str, Field] = {}
    for line in _TEXT.strip().splitlines():
        name, _, kind = line.partition(" ")
        if kind:
            fields[name] = parse_field(name, kind)
        else:
            fields = found.setdefault(name, {})
    return found


FIELDS = _read()
"""The fields of each record by their names."""

REQUIRED = {
    record: tuple(field.name for field in fields.values() if field.is_required)
    for record, fields in FIELDS.items()
}
"""What no record may be without."""
