"""The kinds of this API server: the table for routing, discovery and storage."""

from collections.abc import Iterable
from dataclasses import dataclass

STATUS = "status"
SCALE = "scale"

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
READ_WRITE = ("get", "patch", "update")


@dataclass(frozen=True, slots=True)
class Subresource:
    """A subresource of a kind; `group`, `version` and `kind` are those of its body."""

    name: str
    verbs: tuple[str, ...]
    kind: str = ""
    group: str = ""
    version: str = ""


_STATUS = Subresource(STATUS, READ_WRITE)
_SCALE = Subresource(SCALE, READ_WRITE, kind="Scale", group="autoscaling", version="v1")
_PROXY_VERBS = ("create", "delete", "get", "patch", "update")


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of object.

    Attributes:
        has_generation: whether metadata.generation counts changes of the spec.
        returns_deleted: DELETE answers with the object instead of a Status.
        upserts: PUT creates an object that is not there.
        fields: the field selectors beside metadata.name and metadata.namespace.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    has_generation: bool = False
    returns_deleted: bool = False
    upserts: bool = False
    fields: tuple[str, ...] = ()

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """Return the plural with its group, as in messages: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def has_status(self) -> bool:
        return any(sub.name == STATUS for sub in self.subresources)

    def find_subresource(self, name: str) -> Subresource | None:
        return next((sub for sub in self.subresources if sub.name == name), None)

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the URL path of the collection, of an object, or of a subresource."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        place = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{root}{place}/{self.plural}{tail}"


_ALL = ("all",)

NAMESPACE = Kind(
    "", "v1", "Namespace", "namespaces",
    namespaced=False,
    short=("ns",),
    subresources=(Subresource("finalize", ("update",)), _STATUS),
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    returns_deleted=True,
    fields=("status.phase",),
)  # fmt: skip
NODE = Kind(
    "", "v1", "Node", "nodes",
    namespaced=False,
    short=("no",),
    subresources=(
        Subresource("proxy", _PROXY_VERBS, kind="NodeProxyOptions", version="v1"),
        _STATUS,
    ),
    fields=("spec.unschedulable",),
)  # fmt: skip
POD = Kind(
    "", "v1", "Pod", "pods",
    short=("po",),
    categories=_ALL,
    subresources=(
        Subresource("attach", ("create", "get"), kind="PodAttachOptions", version="v1"),
        Subresource("binding", ("create",), kind="Binding", version="v1"),
        Subresource("ephemeralcontainers", READ_WRITE),
        Subresource("eviction", ("create",), kind="Eviction", group="policy", version="v1"),
        Subresource("exec", ("create", "get"), kind="PodExecOptions", version="v1"),
        Subresource("log", ("get",)),
        Subresource("portforward", ("create", "get"), kind="PodPortForwardOptions", version="v1"),
        Subresource("proxy", _PROXY_VERBS, kind="PodProxyOptions", version="v1"),
        Subresource("resize", READ_WRITE),
        _STATUS,
    ),
    has_generation=True,
    returns_deleted=True,
    fields=(
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName",
    ),
)  # fmt: skip
REPLICATION_CONTROLLER = Kind(
    "", "v1", "ReplicationController", "replicationcontrollers",
    short=("rc",),
    categories=_ALL,
    subresources=(_SCALE, _STATUS),
    has_generation=True,
    fields=("status.replicas",),
)  # fmt: skip
SERVICE = Kind(
    "", "v1", "Service", "services",
    short=("svc",),
    categories=_ALL,
    subresources=(
        Subresource("proxy", _PROXY_VERBS, kind="ServiceProxyOptions", version="v1"),
        _STATUS,
    ),
    returns_deleted=True,
    fields=("spec.clusterIP", "spec.type"),
)  # fmt: skip
ENDPOINTS = Kind("", "v1", "Endpoints", "endpoints", short=("ep",), upserts=True)
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", short=("cm",))
SECRET = Kind("", "v1", "Secret", "secrets", fields=("type",))
SERVICE_ACCOUNT = Kind(
    "", "v1", "ServiceAccount", "serviceaccounts",
    short=("sa",),
    subresources=(
        Subresource(
            "token", ("create",), kind="TokenRequest", group="authentication.k8s.io", version="v1"
        ),
    ),
    returns_deleted=True,
)  # fmt: skip
_EVENT_FIELDS = (
    *(
        f"involvedObject.{field}"
        for field in (
            "kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath",
        )
    ),
    "reason", "reportingComponent", "source", "type",
)  # fmt: skip
EVENT = Kind("", "v1", "Event", "events", short=("ev",), upserts=True, fields=_EVENT_FIELDS)
NEW_EVENT = Kind(
    "events.k8s.io", "v1", "Event", "events",
    short=("ev",),
    verbs=("get", "list"),
    fields=_EVENT_FIELDS,
)  # fmt: skip
"""The newer API of the same events, read-only."""
DEPLOYMENT = Kind(
    "apps", "v1", "Deployment", "deployments",
    short=("deploy",),
    categories=_ALL,
    subresources=(_SCALE, _STATUS),
    has_generation=True,
)  # fmt: skip
REPLICA_SET = Kind(
    "apps", "v1", "ReplicaSet", "replicasets",
    short=("rs",),
    categories=_ALL,
    subresources=(_SCALE, _STATUS),
    has_generation=True,
)  # fmt: skip
DAEMON_SET = Kind(
    "apps", "v1", "DaemonSet", "daemonsets",
    short=("ds",),
    categories=_ALL,
    subresources=(_STATUS,),
    has_generation=True,
)  # fmt: skip
POD_DISRUPTION_BUDGET = Kind(
    "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets",
    short=("pdb",),
    subresources=(_STATUS,),
    has_generation=True,
)  # fmt: skip
_RBAC = "rbac.authorization.k8s.io"
CLUSTER_ROLE = Kind(_RBAC, "v1", "ClusterRole", "clusterroles", namespaced=False)
CLUSTER_ROLE_BINDING = Kind(
    _RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False
)
ROLE = Kind(_RBAC, "v1", "Role", "roles")
ROLE_BINDING = Kind(_RBAC, "v1", "RoleBinding", "rolebindings")
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases", upserts=True)
ENDPOINT_SLICE = Kind(
    "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", has_generation=True
)
PRIORITY_CLASS = Kind(
    "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", namespaced=False, short=("pc",)
)  # fmt: skip
PERSISTENT_VOLUME = Kind(
    "", "v1", "PersistentVolume", "persistentvolumes",
    namespaced=False,
    short=("pv",),
    subresources=(_STATUS,),
    returns_deleted=True,
)  # fmt: skip
CLAIM = Kind(
    "", "v1", "PersistentVolumeClaim", "persistentvolumeclaims",
    short=("pvc",),
    subresources=(_STATUS,),
    returns_deleted=True,
)  # fmt: skip
_STORAGE = "storage.k8s.io"
STORAGE_CLASS = Kind(
    _STORAGE, "v1", "StorageClass", "storageclasses",
    namespaced=False, short=("sc",), returns_deleted=True,
)  # fmt: skip
VOLUME_ATTACHMENT = Kind(
    _STORAGE, "v1", "VolumeAttachment", "volumeattachments",
    namespaced=False, subresources=(_STATUS,), returns_deleted=True,
)  # fmt: skip
CSI_NODE = Kind(_STORAGE, "v1", "CSINode", "csinodes", namespaced=False, returns_deleted=True)
CSI_DRIVER = Kind(
    _STORAGE, "v1", "CSIDriver", "csidrivers",
    namespaced=False, returns_deleted=True,
)  # fmt: skip
API_SERVICE = Kind(
    "apiregistration.k8s.io", "v1", "APIService", "apiservices",
    namespaced=False,
    categories=("api-extensions",),
    subresources=(_STATUS,),
)  # fmt: skip
"""An API that another server answers, in a pod."""

_CREATE = ("create",)
SELF_SUBJECT_REVIEW = Kind(
    "authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews",
    namespaced=False, verbs=_CREATE,
)  # fmt: skip
TOKEN_REVIEW = Kind(
    "authentication.k8s.io", "v1", "TokenReview", "tokenreviews", namespaced=False, verbs=_CREATE
)
_AUTHORIZATION = "authorization.k8s.io"
SELF_ACCESS_REVIEW = Kind(
    _AUTHORIZATION, "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews",
    namespaced=False, verbs=_CREATE,
)  # fmt: skip
SELF_RULES_REVIEW = Kind(
    _AUTHORIZATION, "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews",
    namespaced=False, verbs=_CREATE,
)  # fmt: skip
ACCESS_REVIEW = Kind(
    _AUTHORIZATION, "v1", "SubjectAccessReview", "subjectaccessreviews",
    namespaced=False, verbs=_CREATE,
)  # fmt: skip

KINDS = (
    CONFIG_MAP, ENDPOINTS, EVENT, NAMESPACE, NODE, POD, REPLICATION_CONTROLLER, SECRET,
    SERVICE_ACCOUNT, SERVICE, DAEMON_SET, DEPLOYMENT, REPLICA_SET, POD_DISRUPTION_BUDGET,
    CLUSTER_ROLE_BINDING, CLUSTER_ROLE, ROLE_BINDING, ROLE, PRIORITY_CLASS, LEASE, ENDPOINT_SLICE,
    PERSISTENT_VOLUME, CLAIM, STORAGE_CLASS, VOLUME_ATTACHMENT, CSI_NODE, CSI_DRIVER, API_SERVICE,
)  # fmt: skip
"""The stored kinds."""

REVIEWS = (
    SELF_SUBJECT_REVIEW, TOKEN_REVIEW, SELF_ACCESS_REVIEW, SELF_RULES_REVIEW, ACCESS_REVIEW,
)  # fmt: skip
"""The review kinds, which are posted and never stored."""

METRICS = "metrics.k8s.io/v1beta1"
EXTENSIONS = {
    "v1beta1.metrics.k8s.io": (
        Kind("metrics.k8s.io", "v1beta1", "NodeMetrics", "nodes", namespaced=False,
             verbs=("get", "list")),
        Kind("metrics.k8s.io", "v1beta1", "PodMetrics", "pods", verbs=("get", "list")),
    ),
}  # fmt: skip
"""The kinds of known APIs of other servers, by the name under which these are registered."""

_BY_PATH = {(kind.group, kind.version, kind.plural): kind for kind in (*KINDS, *REVIEWS)}
_BY_PATH[(NEW_EVENT.group, NEW_EVENT.version, NEW_EVENT.plural)] = NEW_EVENT
_BY_NAME = {(kind.api_version, kind.kind): kind for kind in (*KINDS, *REVIEWS)}


def find_kind(group: str, version: str, plural: str) -> Kind | None:
    """Find a kind by the parts of its URL."""
    return _BY_PATH.get((group, version, plural))


def find_kind_by_name(api_version: str, kind: str) -> Kind | None:
    """Find a kind by apiVersion and kind of a manifest."""
    return _BY_NAME.get((api_version, kind))


def group_versions(kinds: Iterable[Kind] = (*KINDS, *REVIEWS)) -> dict[tuple[str, str], list[Kind]]:
    """Return the kinds by (group, version), in the order of the table."""
    grouped: dict[tuple[str, str], list[Kind]] = {}
    for kind in kinds:
        grouped.setdefault((kind.group, kind.version), []).append(kind)
    return grouped
