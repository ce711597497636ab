"""Whether the servers of further APIs can be asked, as the aggregation layer finds out."""

from typing import Any

from localcloud.clock import stamp
from localcloud.kubernetes.client.informer import Obj, key_of
from localcloud.kubernetes.client.writes import merge
from localcloud.kubernetes.controllers.context import Context
from localcloud.kubernetes.controllers.workqueue import WorkQueue
from localcloud.kubernetes.objects.kinds import API_SERVICE, ENDPOINT_SLICE, SERVICE

NAME = "apiservice-controller"
_SERVICE_LABEL = "kubernetes.io/service-name"


class ApiServiceController:
    """Writes the condition `Available` of each APIService that names a Service."""

    def __init__(self, context: Context) -> None:
        self._api = context.api
        self._clock = context.clock
        self._registered = context.informers.of(API_SERVICE)
        self._services = context.informers.of(SERVICE)
        self._slices = context.informers.of(ENDPOINT_SLICE)
        self._queue = WorkQueue[str](NAME, self._sync, context.clock)
        self._registered.on_change(self._changed)
        self._slices.on_change(self._any_changed)
        self._services.on_change(self._any_changed)

    async def run(self) -> None:
        """Run until cancelled."""
        await self._queue.run()

    def _changed(self, before: Obj | None, after: Obj | None) -> None:
        if after is not None:
            self._queue.add(key_of(after)[1])

    def _any_changed(self, before: Obj | None, after: Obj | None) -> None:
        for _, name in self._registered.objects:
            self._queue.add(name)

    async def _sync(self, name: str) -> None:
        registered = self._registered.objects.get(("", name))
        service = registered["spec"].get("service") if registered else None
        if registered is None or service is None:
            return
        reason, message = self._judge(service)
        status = "True" if reason == "Passed" else "False"
        known = (registered.get("status") or {}).get("conditions") or []
        if any(one["reason"] == reason and one["status"] == status for one in known):
            return
        condition = {
            "type": "Available",
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": stamp(self._clock.now()),
        }
        change = {"status": {"conditions": [condition]}}
        self._registered.learn(await merge(self._api, API_SERVICE, registered, change, "status"))

    def _judge(self, service: dict[str, Any]) -> tuple[str, str]:
        place, name = service["namespace"], service["name"]
        if (place, name) not in self._services.objects:
            return "ServiceNotFound", f'service/{name} in "{place}" is not present'
        for (space, _), one in self._slices.objects.items():
            labels = one["metadata"].get("labels") or {}
            if space == place and labels.get(_SERVICE_LABEL) == name and _is_ready(one):
                return "Passed", "all checks passed"
        return "MissingEndpoints", f'endpoints for service/{name} in "{place}" have no addresses'


def _is_ready(endpoints: Obj) -> bool:
    return any(
        (one.get("conditions") or {}).get("ready") for one in endpoints.get("endpoints") or ()
    )
