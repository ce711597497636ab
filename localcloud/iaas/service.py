"""The IaaS API as one object: takes a request apart, lets an action answer it, counts it."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

from localcloud.clock import Clock
from localcloud.fabric import Fabric
from localcloud.iaas.actions import ACTIONS
from localcloud.iaas.answers import Document
from localcloud.iaas.catalog import DEFAULT_ZONE, QUOTAS
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import (
    InternalError,
    MissingParameter,
    PermissionDenied,
    Refusal,
    UnknownAction,
)
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.signature import Account, verify
from localcloud.parts import MachineHost
from localcloud.profiles import Profile

log = logging.getLogger(__name__)

WITHOUT_ZONE = frozenset({"DescribeZones"})


class Iaas:
    """One account's view of one zone. All methods run in one event loop.

    Attributes:
        calls: signed requests by action since the start or the last `reset`, refused ones too.
    """

    def __init__(
        self,
        clock: Clock,
        profile: Profile,
        fabric: Fabric,
        machines: MachineHost,
        random: Random,
        *,
        account: Account,
        zone: str = DEFAULT_ZONE,
        quotas: Mapping[str, int] = QUOTAS,
    ) -> None:
        self.account = account
        self.zone = zone
        self.calls: Counter[str] = Counter()
        self._clock = clock

        def build() -> Cloud:
            return Cloud(
                clock=clock,
                profile=profile,
                fabric=fabric,
                machines=machines,
                random=random,
                account=account,
                zone=zone,
                quotas=quotas,
            )

        self._build = build
        self._cloud = build()

    def handle(self, verb: str, path: str, pairs: Sequence[tuple[str, str]]) -> Document:
        """Answer one request, given its decoded parameters; errors are answers too."""
        parameters = Parameters.from_pairs(pairs)
        action = parameters.text("action")
        try:
            verify(verb, path, pairs, self.account, self._clock.now())
            answer = self._act(action, parameters)
        except Refusal as refusal:
            log.info("%s: %d %s", action, refusal.ret_code, refusal)
            return {"ret_code": refusal.ret_code, "message": str(refusal)}
        return {"action": f"{action}Response", "ret_code": 0, **answer}

    def count_resources(self) -> dict[str, int]:
        """Count what exists now, by kind."""
        return self._cloud.state.count()

    async def reset(self) -> None:
        """Empty the cloud and its counters."""
        await self._cloud.close()
        self._cloud = self._build()
        self.calls.clear()

    async def close(self) -> None:
        await self._cloud.close()

    def _act(self, action: str, parameters: Parameters) -> Document:
        if not action:
            raise MissingParameter("action")
        act = ACTIONS.get(action)
        if act is None:
            raise UnknownAction(action)
        self.calls[action] += 1
        zone = parameters.text("zone")
        if not zone and action not in WITHOUT_ZONE:
            raise MissingParameter("zone")
        if zone not in ("", self.zone) and action not in WITHOUT_ZONE:
            raise PermissionDenied(f"zone [{zone}] is not accessible")
        try:
            return act(self._cloud, parameters)
        except Refusal:
            raise
        except Exception as error:
            log.exception("%s failed", action)
            raise InternalError(f"{action} failed") from error
