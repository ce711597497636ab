"""APIs that a server in a pod answers: the aggregation layer."""

from collections.abc import Iterator

from localcloud.kubernetes.api.calls import Answer, Call
from localcloud.kubernetes.api.proxy import PodProxy
from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.failures import unavailable
from localcloud.kubernetes.objects.store import Body, Store

_OTHERS = 3  # parts of the path of an API: apis, group, version


class Aggregator:
    """The registered APIs of other servers."""

    def __init__(self, store: Store, proxy: PodProxy) -> None:
        self._store = store
        self._proxy = proxy

    @property
    def served(self) -> frozenset[str]:
        """The names of registered APIs whose servers answer: `v1beta1.metrics.k8s.io`."""
        return frozenset(self._available())

    def _available(self) -> Iterator[str]:
        for stored in self._store.select(kinds.API_SERVICE):
            if stored.body["spec"].get("service") and _is_available(stored.body):
                yield stored.body["metadata"]["name"]

    def find(self, path: str) -> Body | None:
        """Return what is registered for a path, or None."""
        parts = path.strip("/").split("/")
        if len(parts) < _OTHERS or parts[0] != "apis":
            return None
        stored = self._store.find(kinds.API_SERVICE, "", f"{parts[2]}.{parts[1]}")
        return stored.body if stored and stored.body["spec"].get("service") else None

    async def answer(self, call: Call, registered: Body) -> Answer:
        """Let the server behind an API answer.

        Raises:
            ApiFailure: 503 where no server does.
        """
        if not _is_available(registered):
            raise unavailable("service unavailable")
        service = registered["spec"]["service"]
        port = str(service.get("port", 443))
        return await self._proxy.ask(call, service["namespace"], service["name"], port)


def _is_available(registered: Body) -> bool:
    conditions = (registered.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Available" and one["status"] == "True" for one in conditions)
