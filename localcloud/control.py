"""The daemon's control API for `python -m localcloud`, beside the cloud's API; it needs a token."""

import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass

from localcloud.iaas.faults.fault import BadFault
from localcloud.iaas.faults.requested import read_requested
from localcloud.iaas.http import Asgi, Receive, Scope, Send, read_body, respond
from localcloud.iaas.service import Iaas

PREFIX = "/control/"


@dataclass(frozen=True, slots=True)
class Control:
    """The requests to a running daemon."""

    iaas: Iaas
    token: str
    endpoint: str
    profile: str
    seed: int
    resumed: int  # machines resumed from an earlier daemon
    stop: Callable[[], None]

    def status(self) -> dict[str, object]:
        return {
            "running": True,
            "endpoint": self.endpoint,
            "profile": self.profile,
            "resources": self.iaas.count_resources(),
            "calls": dict(sorted(self.iaas.calls.items())),
        }

    async def answer(self, verb: str, path: str, body: bytes = b"") -> dict[str, object] | None:
        """Handle a request; return None for an unknown path.

        Raises:
            BadFault: a fault is invalid; nothing has changed.
        """
        match verb, path.removeprefix(PREFIX):
            case "GET", "health":
                return {
                    "profile": self.profile,
                    "seed": self.seed,
                    "gone_on": self.resumed,
                    "booting": self.iaas.booting,
                }
            case "GET", "status":
                return self.status()
            case "POST", "reset":
                await self.iaas.reset()
                return {}
            case "POST", "stop":
                self.stop()
                return {}
            case "GET", "faults":
                return {"faults": self.iaas.list_faults()}
            case "POST", "faults":
                return {"faults": await self._inject(body)}
            case "DELETE", "faults":
                return {"cleared": await self.iaas.clear_faults()}
            case "DELETE", one if one.startswith("faults/"):
                return {"cleared": await self.iaas.clear_faults(one.removeprefix("faults/"))}
        return None

    async def _inject(self, body: bytes) -> list[str]:
        """Put a list of faults in force, all or none."""
        try:
            documents = json.loads(body)
        except ValueError:
            raise BadFault("faults are sent as a JSON list") from None
        if not isinstance(documents, list):
            raise BadFault("faults are sent as a JSON list")
        faults = [read_requested(document) for document in documents]
        return [await self.iaas.inject(fault) for fault in faults]


def with_control(app: Asgi, control: Control) -> Asgi:
    """Add the control API to an application."""
    expected = f"Bearer {control.token}".encode()

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith(PREFIX):
            await app(scope, receive, send)
            return
        sent = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(sent, expected):
            await respond(send, 401, {"message": "the token of this cloud's daemon.json is needed"})
            return
        body = await read_body(receive)
        try:
            document = await control.answer(scope["method"], scope["path"], body or b"")
        except BadFault as error:
            await respond(send, 400, {"message": str(error)})
            return
        if document is None:
            await respond(send, 404, {"message": f"nothing answers to {scope['path']}"})
        else:
            await respond(send, 200, document)

    return guarded
