"""The bootstrap signer and the token cleaner: cluster-info carries a signature for each join token.

A joining node trusts the CA in cluster-info because the signature requires the token.
"""

from localcloud.kubernetes.access.join_tokens import (
    NAMESPACE,
    SECRET_TYPE,
    SIGNATURE,
    BootstrapToken,
    has_expired,
    read_token,
    sign_detached,
)
from localcloud.kubernetes.client.informer import Obj
from localcloud.kubernetes.controllers.context import Context
from localcloud.kubernetes.controllers.workqueue import WorkQueue
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import CONFIG_MAP, SECRET

NAME = "bootstrap-signer"
INFO = ("kube-public", "cluster-info")


class JoinTokenController:
    """Updates the signatures in cluster-info by the token Secrets; deletes expired tokens."""

    def __init__(self, context: Context) -> None:
        self._api = context.api
        self._clock = context.clock
        self._secrets = context.informers.of(SECRET)
        self._config_maps = context.informers.of(CONFIG_MAP)
        self._queue = WorkQueue[str](NAME, self._sync, context.clock)
        self._secrets.on_change(self._secret_changed)
        self._config_maps.on_change(self._info_changed)

    async def run(self) -> None:
        """Run until cancelled."""
        await self._queue.run()

    def _secret_changed(self, before: Obj | None, after: Obj | None) -> None:
        if (after or before or {}).get("type") == SECRET_TYPE:
            self._queue.add(NAME)

    def _info_changed(self, before: Obj | None, after: Obj | None) -> None:
        metadata = (after or before or {})["metadata"]
        if (metadata["namespace"], metadata["name"]) == INFO:
            self._queue.add(NAME)

    async def _sync(self, _: str) -> None:
        info = self._config_maps.objects.get(INFO)
        if info is None:
            return
        text = info["data"]["kubeconfig"]
        wanted = {SIGNATURE + token.id: sign_detached(text, token) for token in await self._valid()}
        seen = {key: value for key, value in info["data"].items() if key.startswith(SIGNATURE)}
        change = wanted | {key: None for key in seen if key not in wanted}
        if wanted != seen:
            await self._api.request(
                "PATCH",
                f"{CONFIG_MAP.path(INFO[0])}/{INFO[1]}",
                body={"data": change},
                content_type="application/merge-patch+json",
            )

    async def _valid(self) -> list[BootstrapToken]:
        """Return the tokens that may sign; delete expired ones."""
        valid: list[BootstrapToken] = []
        for (namespace, name), secret in list(self._secrets.objects.items()):
            if namespace != NAMESPACE:
                continue
            if has_expired(secret, self._clock.now()):
                await self._delete(name)
            elif token := read_token(secret, "signing"):
                valid.append(token)
        return valid

    async def _delete(self, name: str) -> None:
        try:
            await self._api.request("DELETE", f"{SECRET.path(NAMESPACE)}/{name}")
        except ApiFailure as failure:
            if failure.status != 404:
                raise
