"""The calls to a cluster's API server."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from clients.closing import Closable
from clients.kubernetes.kinds import KINDS, find_kind
from clients.kubernetes.load import add_requests, is_unschedulable, load_from, waits
from clients.kubernetes.manifests import covers, normalised
from clients.kubernetes.records import (
    NOT_FINISHED,
    NOT_OF_A_DAEMON_SET,
    WORKLOADS,
    claim_from,
    count_by_node,
    name_of,
    node_from,
    pod_from,
    service_from,
    taint_from,
    taint_text,
    workload_from,
)
from clients.kubernetes.seen import state_from
from clients.kubernetes.versions import requested_from, version_from
from clients.kubernetes.wire import JSON_PATCH, MERGE_PATCH, TABLE, Wire
from domain.autoscaling.see.state import ClusterState
from domain.cloud.addons import Claim, Service
from domain.cluster.api import SYSTEM, Manifest, Node, Pod, Workload
from domain.cluster.join_tokens import JOIN_TOKEN_TYPE, TOKEN_NAME
from domain.cluster.versions import RequestedApi
from domain.kernel.errors import ApiRejected, NotFound, TemporaryError
from domain.kernel.waiting import READ_PAUSES, repeat
from domain.observe.metrics.load import ClusterLoad
from domain.secrets.kubeconfig import ClusterAccess

PAGE = 2000
"""Objects per page: more take memory, fewer take time."""

WATCH_GRACE = 15.0
"""Seconds after the end of a watch, after which a connection without data counts as lost."""

FORBIDDEN, CONFLICT, GONE = 403, 409, 410


class ClusterClient(Closable):
    """One cluster's API server; satisfies `domain.cluster.api.ClusterApi`, which names the errors.

    Several threads may use it at once.
    """

    def __init__(self, access: ClusterAccess, read_pauses: Sequence[float] = READ_PAUSES) -> None:
        """Args:
        read_pauses: seconds before a read is repeated; as often as there are pauses.
        """
        self._wire = Wire(access, read_pauses)

    def close(self) -> None:
        self._wire.close()

    def is_ready(self) -> bool:
        """Whether `/readyz` answers ok; False also while the server does not answer.

        A server that has just started has not loaded our group's rights yet, and answers 403.

        Raises:
            ApiRejected: the server is another cluster's, or does not accept our certificate.
        """
        try:
            return self._wire.text("GET", "/readyz", accept="*/*") == "ok"
        except (TemporaryError, NotFound):
            return False
        except ApiRejected as error:
            if error.status == FORBIDDEN:
                return False
            raise

    def read_version(self) -> str:
        """Read the server's version, such as `v1.36.4`."""
        version: str = self._wire.get("/version")["gitVersion"]
        return version

    def read_masters(self) -> Mapping[str, str]:
        """Read the version of each API server, such as `v1.36.4`, by the name of its node."""
        query = {"labelSelector": "component=kube-apiserver"}
        pods = self._items(KINDS["Pod"].collection(SYSTEM), query)
        return dict(map(version_from, pods))

    def read_requested_apis(self) -> Sequence[RequestedApi]:
        """Read which deprecated APIs clients have used since the server's start."""
        metrics = repeat(lambda: self._wire.text("GET", "/metrics", accept="*/*"))
        return requested_from(metrics)

    def read_time(self) -> datetime:
        """Read the server's clock, to the second; asks it once, and then measures."""
        if self._wire.now is None:
            self.read_version()
        return self._wire.now or datetime.now(UTC)

    def list_nodes(self) -> Sequence[Node]:
        found = list(self._items(KINDS["Node"].collection(), {}))
        now = self.read_time()
        return [node_from(item, now) for item in found]

    def read_node(self, name: str) -> Node | None:
        found = self._find(KINDS["Node"].object(name))
        return node_from(found, self.read_time()) if found else None

    def list_pods(
        self, *, node: str = "", namespace: str = "", selector: str = ""
    ) -> Sequence[Pod]:
        """List pods, of one node or namespace or with certain labels where these are given."""
        query = {}
        if node:
            query["fieldSelector"] = f"spec.nodeName={node}"
        if selector:
            query["labelSelector"] = selector
        path = KINDS["Pod"].collection(namespace)
        return [pod_from(item) for item in self._items(path, query)]

    def count_workload_pods(self) -> Mapping[str, int]:
        """Count workload pods that are not finished by node name, `""` for those without one.

        The server filters them and prints a Table without objects: 20,000 pods take 0.1 s and 3 MB,
        a fortieth of the time of the client's models.
        """
        return count_by_node(self._workload_table())

    def read_load(self, *, with_requests: bool) -> ClusterLoad:
        """Read the load of the nodes and the number of pending pods.

        `with_requests` reads every pod's object, which takes a second per 10,000 pods.
        """
        pods = KINDS["Pod"].collection()
        requested = None
        if with_requests:
            requested = add_requests(self._items(pods, {"fieldSelector": NOT_FINISHED}))
        return load_from(
            self._workload_table(),
            self._items(KINDS["Node"].collection(), {}),
            self._items(pods, {"fieldSelector": "status.phase=Pending"}),
            requested,
        )

    def read_state(self) -> ClusterState:
        """Read nodes, pods, budgets and DaemonSets for a decision about a group's size.

        Reads every pod's object, which takes a second per 10,000 pods.
        """
        nodes = list(self._items(KINDS["Node"].collection(), {}))
        return state_from(
            nodes,
            self._items(KINDS["Pod"].collection(), {"fieldSelector": NOT_FINISHED}),
            self._items(KINDS["PodDisruptionBudget"].collection(), {}),
            self._items(KINDS["DaemonSet"].collection(), {}),
            self.read_time(),
        )

    def count_unschedulable(self) -> int:
        """Count the pending pods that the scheduler has marked unschedulable."""
        query = {"fieldSelector": "status.phase=Pending"}
        pods = self._items(KINDS["Pod"].collection(), query)
        return sum(1 for pod in pods if waits(pod) and is_unschedulable(pod))

    def list_attached_volumes(self, node: str) -> list[str]:
        """List the persistent volumes that are attached to a node."""
        return [volume for volume, user in self._attached() if user == node]

    def _attached(self) -> list[tuple[str, str]]:
        """List the attached persistent volumes, each with its node."""
        return [
            (
                item["spec"]["source"].get("persistentVolumeName", item["metadata"]["name"]),
                item["spec"]["nodeName"],
            )
            for item in self._items_of_storage("VolumeAttachment")
        ]

    def _items_of_storage(self, kind: str) -> list[dict[str, Any]]:
        try:
            return list(self._items(KINDS[kind].collection(), {}))
        except NotFound:  # a server without storage
            return []

    def list_balanced_services(self) -> list[Service]:
        """List the Services of type LoadBalancer."""
        query = {"fieldSelector": "spec.type=LoadBalancer"}
        return [service_from(one) for one in self._items(KINDS["Service"].collection(), query)]

    def list_services_without_address(self) -> list[str]:
        """List the Services of type LoadBalancer that have no address, as `namespace/name`."""
        query = {"fieldSelector": "spec.type=LoadBalancer"}
        return [
            f"{one['metadata']['namespace']}/{one['metadata']['name']}"
            for one in self._items(KINDS["Service"].collection(), query)
            if not ((one.get("status") or {}).get("loadBalancer") or {}).get("ingress")
        ]

    def list_claims(self) -> list[Claim]:
        """List the claims whose volumes are the cloud's."""
        volumes = self._items_of_storage("PersistentVolume")
        attached = {volume for volume, _ in self._attached()} if volumes else set()
        claims = (claim_from(volume, attached) for volume in volumes)
        return [claim for claim in claims if claim]

    def retain_volumes(self) -> int:
        """Let volumes of the cloud outlive their claims. Returns: how many did not before."""
        changed = 0
        for volume in self._items_of_storage("PersistentVolume"):
            claim = claim_from(volume, ())
            if claim and not claim.is_retained:
                path = KINDS["PersistentVolume"].object(volume["metadata"]["name"])
                wanted = {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}
                changed += self._patch(path, volume, wanted)
        return changed

    def list_join_tokens(self) -> Sequence[str]:
        query = {"fieldSelector": f"type={JOIN_TOKEN_TYPE}"}
        secrets = self._items(KINDS["Secret"].collection(SYSTEM), query)
        return [item["metadata"]["name"].removeprefix(TOKEN_NAME) for item in secrets]

    def watch_waiting_pods(self, seconds: int) -> Iterator[str]:
        """Yield the name of each unschedulable pod, for a number of seconds.

        Pods that are unschedulable at the begin are included.

        Raises:
            TemporaryError: the connection was lost, or the server ended the watch.
        """
        query = {"fieldSelector": "status.phase=Pending"}
        for word, pod in self._watch(KINDS["Pod"].collection(), query, seconds):
            if word != "DELETED" and waits(pod) and is_unschedulable(pod):
                yield pod["metadata"]["name"]

    def watch_nodes(self, seconds: int) -> Iterator[str]:
        """Yield the name of each node that is added or deleted; otherwise as above."""
        for word, node in self._watch(KINDS["Node"].collection(), {}, seconds):
            if word != "MODIFIED":  # a heartbeat, mostly
                yield node["metadata"]["name"]

    def _watch(
        self, path: str, query: Mapping[str, str], seconds: int
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        parameters = {**query, "watch": "1", "timeoutSeconds": str(seconds)}
        for event in self._wire.lines(path, parameters, seconds + WATCH_GRACE):
            if event["type"] == "ERROR":
                raise TemporaryError(f"the watch of {path} must be restarted")
            yield event["type"], event["object"]

    def _workload_table(self) -> dict[str, Any]:
        query = {
            "includeObject": "None",
            "labelSelector": NOT_OF_A_DAEMON_SET,
            "fieldSelector": NOT_FINISHED,
        }
        table: dict[str, Any] = self._wire.get(KINDS["Pod"].collection(), query, TABLE)
        return table

    def read(self, manifest_kind: str, name: str, namespace: str = "") -> Manifest | None:
        """Read one object by kind, such as `ConfigMap`; None when it is absent."""
        return self._find(find_kind(manifest_kind).object(name, namespace))

    def apply(self, manifest: Manifest) -> bool:
        """Create the object, or patch the fields of the manifest. Returns: whether it changed.

        Other fields stay unchanged; None removes a field.

        Raises:
            TemporaryError: the object is being deleted; apply it again afterwards.
        """
        wanted = normalised(manifest)
        kind, metadata = find_kind(wanted["kind"]), wanted["metadata"]
        namespace = metadata.get("namespace", "") or "default"
        path = kind.object(metadata["name"], namespace)
        found = self._find(path)
        if found is None:
            try:
                self._wire.send("POST", kind.collection(namespace), wanted)
            except ApiRejected as error:
                if error.status != CONFLICT:
                    raise
                found = self._wire.get(path)  # created by another client in between
            else:
                return True
        if "deletionTimestamp" in found["metadata"]:
            raise TemporaryError(f"{path} is being deleted")
        return self._patch(path, found, wanted)

    def create(self, manifest: Manifest) -> bool:
        """Create the object. Returns: False when its name exists already."""
        kind, namespace = find_kind(manifest["kind"]), manifest["metadata"].get("namespace", "")
        return self._won("POST", kind.collection(namespace), manifest)

    def replace(self, manifest: Manifest) -> bool:
        """Replace the object that was read. Returns: False when it was changed in between.

        The manifest's `resourceVersion` identifies the reading.
        """
        kind, metadata = find_kind(manifest["kind"]), manifest["metadata"]
        path = kind.object(metadata["name"], metadata.get("namespace", ""))
        return self._won("PUT", path, manifest)

    def _won(self, method: str, path: str, manifest: Manifest) -> bool:
        try:
            self._wire.send(method, path, dict(manifest))
        except ApiRejected as error:
            if error.status != CONFLICT:
                raise
            return False
        return True

    def delete(self, manifest_kind: str, name: str, namespace: str = "") -> bool:
        """Delete one object with its dependents. Returns: False when it was absent already."""
        path = find_kind(manifest_kind).object(name, namespace)
        try:
            # Without the policy the pods of a ReplicationController would stay.
            self._wire.send("DELETE", path, {"propagationPolicy": "Background"})
        except NotFound:
            return False
        return True

    def set_schedulable(self, node: str, schedulable: bool) -> None:
        """Cordon or uncordon a node; sends nothing when it is in that state already."""
        self._patch_node(node, {"spec": {"unschedulable": None if schedulable else True}})

    def cordon_marked(self, node: str, mark: str) -> None:
        """Cordon a node, only while its annotation `mark` is `true`.

        A call that acts late, after the mark was removed, changes nothing.
        """
        place = f"/metadata/annotations/{mark.replace('/', '~1')}"
        changes = [
            {"op": "test", "path": place, "value": "true"},
            {"op": "add", "path": "/spec/unschedulable", "value": True},
        ]
        self._wire.send("PATCH", KINDS["Node"].object(node), changes, JSON_PATCH)

    def label_node(self, node: str, labels: Mapping[str, str | None]) -> None:
        """Set labels of a node; None removes one. Sends nothing when it has them already."""
        self._patch_node(node, {"metadata": {"labels": dict(labels)}})

    def annotate_node(self, node: str, annotations: Mapping[str, str | None]) -> None:
        """Set annotations of a node; None removes one."""
        self._patch_node(node, {"metadata": {"annotations": dict(annotations)}})

    def taint_node(self, node: str, add: Sequence[str], remove: Sequence[str]) -> None:
        """Change taints of a node, such as `gpu=true:NoSchedule`; others stay.

        Raises:
            TemporaryError: the node was changed at the same time by another client.
        """
        found = self._wire.get(KINDS["Node"].object(node))
        present = found["spec"].get("taints") or []
        kept = [taint for taint in present if taint_text(taint) not in (*add, *remove)]
        wanted = {
            # The list is replaced as a whole: the version protects what others have set meanwhile.
            "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
            "spec": {"taints": [*kept, *map(taint_from, add)] or None},
        }
        try:
            self._wire.send("PATCH", KINDS["Node"].object(node), wanted, MERGE_PATCH)
        except ApiRejected as error:
            if error.status != CONFLICT:
                raise
            raise TemporaryError(f"node {node} was changed at the same time") from error

    def evict(self, pod: Pod) -> bool:
        """Evict exactly this pod. Returns: False while a disruption budget forbids it.

        True also when the pod no longer exists, or another pod has its name.

        Raises:
            ApiRejected: more than one budget covers the pod; waiting does not help.
        """
        path = KINDS["Pod"].object(pod.name, pod.namespace) + "/eviction"
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": pod.namespace},
            "deleteOptions": {"preconditions": {"uid": pod.uid}},
        }
        try:
            self._wire.send("POST", path, body)
        except NotFound:
            return True
        except ApiRejected as error:
            if error.status != CONFLICT:
                raise
            return True
        except TemporaryError as error:
            if "disruption budget" in str(error):
                return False
            if "more than one PodDisruptionBudget" in str(error):
                raise ApiRejected(str(error), status=500, reason="InternalError") from error
            raise
        return True

    def fetch_service_page(self, namespace: str, service: str) -> str:
        """GET the first page of a service through the apiserver's proxy, and return the text.

        `service` is a name, or `name:port`, or `https:name:port`.

        Raises:
            TemporaryError: no pod of the service is ready yet.
        """
        proxy = KINDS["Service"].collection(namespace) + f"/{quote(service, safe=':')}/proxy/"
        return self._wire.text("GET", proxy, accept="*/*")

    def fetch_pod_page(self, namespace: str, pod: str, port: int, path: str) -> str:
        """GET a page of a pod through the apiserver's proxy, and return the text.

        Raises:
            TemporaryError: nothing answers at this port of the pod.
        """
        proxy = KINDS["Pod"].collection(namespace) + f"/{quote(pod, safe='')}:{port}/proxy/{path}"
        return self._wire.text("GET", proxy, accept="*/*")

    def list_workloads(self, namespace: str) -> Sequence[Workload]:
        """The Deployments and DaemonSets of a namespace with their replicas."""
        return [
            workload_from(kind, item)
            for kind in WORKLOADS
            for item in self._items(KINDS[kind].collection(namespace), {})
        ]

    def list_names(self, kinds: Sequence[str]) -> list[str]:
        """The objects of these kinds by name, such as `Service default/web`, `Namespace shop`.

        A server that does not have a kind has none of its objects.
        """
        found = []
        for kind in kinds:
            try:
                items = self._items(find_kind(kind).collection(), {})
                found += [f"{kind} {name_of(item)}" for item in items]
            except NotFound:
                continue
        return found

    def create_token(self, namespace: str, account: str, seconds: int) -> str:
        """Create a token of a ServiceAccount; the API refuses fewer than 600 seconds."""
        path = KINDS["ServiceAccount"].object(account, namespace) + "/token"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        token: str = self._wire.send("POST", path, body)["status"]["token"]
        return token

    def _items(self, path: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Read a list page by page."""
        page_query = {**query, "limit": str(PAGE)}
        while True:
            try:
                page = self._wire.get(path, page_query)
            except ApiRejected as error:
                if error.status != GONE:
                    raise
                raise TemporaryError(f"the list of {path} expired while it was read") from error
            yield from page.get("items") or ()
            if not (token := page["metadata"].get("continue")):
                return
            page_query["continue"] = token

    def _find(self, path: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._wire.get(path)
        except NotFound:
            return None
        return found

    def _patch_node(self, name: str, wanted: Mapping[str, Any]) -> None:
        path = KINDS["Node"].object(name)
        self._patch(path, self._wire.get(path), wanted)

    def _patch(self, path: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
        if covers(found, wanted):
            return False
        self._wire.send("PATCH", path, wanted, MERGE_PATCH)
        return True
