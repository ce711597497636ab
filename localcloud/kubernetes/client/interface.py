"""The API client of controllers, kubelets and stand-ins, for any API server."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

JSON = "application/json"


class ApiClient(Protocol):
    """All that controllers, kubelets and stand-ins use of an API server.

    It can be implemented for the emulated server and for a real one.
    """

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> Any:
        """Send one request, and return the decoded JSON, or text where the answer is not JSON.

        Raises:
            ApiFailure: the server refused the request, or does not answer (503).
        """
        ...

    def watch(
        self, path: str, *, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """List, then watch until cancelled.

        Yields ("ADDED", object) for what exists, ("SYNCED", {}) once, then every change. After an
        outage of the server it lists again, and yields existing and deleted objects. The objects
        are shared by all watches and must not be changed.
        """
        ...
