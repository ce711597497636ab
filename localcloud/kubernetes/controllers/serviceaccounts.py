"""The objects of every namespace: its default ServiceAccount and the cluster's CA."""

from typing import Any

from localcloud.kubernetes.client.informer import Key, Obj
from localcloud.kubernetes.controllers.context import Context
from localcloud.kubernetes.controllers.workqueue import WorkQueue
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import CONFIG_MAP, NAMESPACE, SERVICE_ACCOUNT, Kind
from localcloud.kubernetes.objects.pods import is_leaving

NAME = "serviceaccount-controller"
CA_CONFIG_MAP = "kube-root-ca.crt"


class ServiceAccountController:
    """Ensures these objects in every namespace, also after a deletion."""

    def __init__(self, context: Context, ca_certificate: bytes) -> None:
        self._api = context.api
        self._namespaces = context.informers.of(NAMESPACE)
        self._wanted: tuple[tuple[Kind, str, dict[str, Any]], ...] = (
            (SERVICE_ACCOUNT, "default", {}),
            (CONFIG_MAP, CA_CONFIG_MAP, {"data": {"ca.crt": ca_certificate.decode()}}),
        )
        self._present = {kind: context.informers.of(kind) for kind, _, _ in self._wanted}
        self._queue = WorkQueue[str](NAME, self._sync, context.clock)
        self._namespaces.on_change(
            lambda before, after: self._queue.add((after or before or {})["metadata"]["name"])
        )
        for kind, name, _ in self._wanted:
            self._present[kind].on_change(self._gone_listener(name))

    async def run(self) -> None:
        """Run until cancelled."""
        await self._queue.run()

    def _gone_listener(self, name: str) -> Any:
        def changed(before: Obj | None, after: Obj | None) -> None:
            if after is None and before is not None and before["metadata"]["name"] == name:
                self._queue.add(before["metadata"]["namespace"])

        return changed

    async def _sync(self, name: str) -> None:
        namespace = self._namespaces.objects.get(("", name))
        if namespace is None or is_leaving(namespace):
            return
        for kind, wanted, content in self._wanted:
            key: Key = (name, wanted)
            if key not in self._present[kind].objects:
                await self._create(kind, key, content)

    async def _create(self, kind: Kind, key: Key, content: dict[str, Any]) -> None:
        body = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"name": key[1], "namespace": key[0]},
            **content,
        }
        try:
            created = await self._api.request("POST", kind.path(key[0]), body=body)
        except ApiFailure as failure:
            if failure.reason != "AlreadyExists":
                raise
        else:
            self._present[kind].learn(created)
