"""What the house asks of a cluster, over one API server."""

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from clients.kubernetes.kinds import KINDS, find_kind
from clients.kubernetes.load import add_requests, load_from
from clients.kubernetes.manifests import covers, normalised
from clients.kubernetes.records import (
    NOT_FINISHED,
    NOT_OF_A_DAEMON_SET,
    count_by_node,
    node_from,
    pod_from,
)
from clients.kubernetes.wire import MERGE_PATCH, TABLE, Wire
from domain.cluster_api import Manifest, Node, Pod
from domain.errors import ApiRejected, NotFound, TemporaryError
from domain.kubeconfig import ClusterAccess
from domain.metrics.load import ClusterLoad

PAGE = 2000
"""Objects a page: more cost memory, fewer cost time."""

FORBIDDEN, CONFLICT, GONE = 403, 409, 410


class ClusterClient:
    """One cluster's API server; satisfies `domain.cluster_api.ClusterApi`, which names the errors.

    Several threads may use it at once.
    """

    def __init__(self, access: ClusterAccess) -> None:
        self._wire = Wire(access)

    def close(self) -> None:
        """Close all connections; may be repeated."""
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def is_ready(self) -> bool:
        """Whether `/readyz` says ok; False also while nothing answers.

        A server that has just started does not know yet what our group may do, and says 403.

        Raises:
            ApiRejected: it is another cluster, or it does not accept our certificate.
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

    def list_nodes(self) -> Sequence[Node]:
        return [node_from(item) for item in self._items(KINDS["Node"].collection(), {})]

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

        The server prints a Table without objects, and leaves out what does not count: 20,000
        pods take 0.1 s and 3 MB, a fortieth of the time that models of them take.
        """
        return count_by_node(self._workload_table())

    def read_load(self, *, with_requests: bool) -> ClusterLoad:
        """Read what the nodes carry and which pods wait.

        `with_requests` reads every pod's object, which takes a second for each 10,000 of them.
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
        """Create the object, or patch it to what the manifest says; whether anything changed.

        What the manifest does not mention stays as it is; None takes a field away.

        Raises:
            TemporaryError: the object is being deleted; apply it again when it is gone.
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
                found = self._wire.get(path)  # somebody else was faster
            else:
                return True
        if "deletionTimestamp" in found["metadata"]:
            raise TemporaryError(f"{path} is being deleted")
        return self._patch(path, found, wanted)

    def delete(self, manifest_kind: str, name: str, namespace: str = "") -> bool:
        """Delete one object, and what it owns in its wake; False when it was absent already."""
        path = find_kind(manifest_kind).object(name, namespace)
        try:
            # Without the policy a ReplicationController's pods would stay behind.
            self._wire.send("DELETE", path, {"propagationPolicy": "Background"})
        except NotFound:
            return False
        return True

    def set_schedulable(self, node: str, schedulable: bool) -> None:
        """Cordon a node or lift that; nothing is sent when it is so already."""
        path = KINDS["Node"].object(node)
        wanted = {"spec": {"unschedulable": None if schedulable else True}}
        self._patch(path, self._wire.get(path), wanted)

    def label_node(self, node: str, labels: Mapping[str, str]) -> None:
        """Put labels on a node; nothing is sent when it has them already."""
        path = KINDS["Node"].object(node)
        self._patch(path, self._wire.get(path), {"metadata": {"labels": dict(labels)}})

    def evict(self, pod: Pod) -> bool:
        """Ask for the eviction of exactly this pod; False while a disruption budget forbids it.

        True also when it is gone already, or when another pod has taken its name.

        Raises:
            ApiRejected: more than one budget covers the pod; no waiting will change that.
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

    def fetch_service_page(self, namespace: str, service: str, path: str = "") -> str:
        """GET through the apiserver's service proxy, and return the text.

        `service` is a name, or `name:port`, or `https:name:port`. Relative links of the page
        work because the proxy's path ends with a slash.

        Raises:
            TemporaryError: no pod of the service answers yet.
        """
        proxy = KINDS["Service"].collection(namespace) + f"/{quote(service, safe=':')}/proxy/"
        page = quote(path.lstrip("/"), safe="/?&=%")
        return self._wire.text("GET", proxy + page, accept="*/*")

    def create_token(self, namespace: str, account: str, seconds: int) -> str:
        """Make a token for a ServiceAccount; the API refuses fewer than 600 seconds."""
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
                raise TemporaryError(f"the list of {path} changed too much; read again") from error
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

    def _patch(self, path: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
        if covers(found, wanted):
            return False
        self._wire.send("PATCH", path, wanted, MERGE_PATCH)
        return True
