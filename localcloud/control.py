"""The daemon's own door, for `python -m localcloud`: guarded by a token, beside the API."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from localcloud.iaas.http import Asgi, Receive, Scope, Send, respond
from localcloud.iaas.service import Iaas

PREFIX = "/control/"


@dataclass(frozen=True, slots=True)
class Control:
    """What may be asked of a running daemon."""

    iaas: Iaas
    token: str
    endpoint: str
    profile: str
    seed: int
    stop: Callable[[], None]

    def status(self) -> dict[str, object]:
        return {
            "running": True,
            "endpoint": self.endpoint,
            "profile": self.profile,
            "resources": self.iaas.count_resources(),
            "calls": dict(sorted(self.iaas.calls.items())),
        }

    async def answer(self, verb: str, path: str) -> dict[str, object] | None:
        """Do what a request asks; None when there is no such thing."""
        match verb, path.removeprefix(PREFIX):
            case "GET", "health":
                return {"profile": self.profile, "seed": self.seed}
            case "GET", "status":
                return self.status()
            case "POST", "reset":
                await self.iaas.reset()
                return {}
            case "POST", "stop":
                self.stop()
                return {}
        return None


def with_control(app: Asgi, control: Control) -> Asgi:
    """Put the control door before an application."""
    expected = f"Bearer {control.token}".encode()

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith(PREFIX):
            await app(scope, receive, send)
            return
        sent = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(sent, expected):
            await respond(send, 401, {"message": "the token of this cloud's daemon.json is needed"})
            return
        document = await control.answer(scope["method"], scope["path"])
        if document is None:
            await respond(send, 404, {"message": f"nothing answers to {scope['path']}"})
        else:
            await respond(send, 200, document)

    return guarded
