"""How controllers, kubelets and stand-ins speak to an API server, whichever it is."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

JSON = "application/json"


class ApiClient(Protocol):
    """The whole of what the parts of a cluster may ask of its API server.

    Nothing here is special to the emulated server: a real one can stand behind it.
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
        """Send one request; returns the decoded JSON, or text where the answer is none.

        Raises:
            ApiFailure: the server refused it, or does not answer (503).
        """
        ...

    def watch(
        self, path: str, *, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """List, then watch from there, for ever.

        Yields ("ADDED", object) for what exists, ("SYNCED", {}) once, then every change. Over an
        outage of the server it waits; then it tells again what exists, and what has gone. The
        objects belong to all who watch: nobody changes one.
        """
        ...
