"""The dependencies of every controller."""

from dataclasses import dataclass

from localcloud.clock import Clock
from localcloud.kubernetes.client.events import EventRecorder
from localcloud.kubernetes.client.informer import Informers
from localcloud.kubernetes.client.interface import ApiClient


@dataclass(frozen=True, slots=True)
class Context:
    """The API and the copies of its objects that all controllers of a cluster share."""

    api: ApiClient
    clock: Clock
    informers: Informers

    def recorder(self, component: str) -> EventRecorder:
        """Return a recorder for a component's events."""
        return EventRecorder(self.api, self.clock, component)
