"""The IaaS API as one object: parses a request, dispatches it to an action, counts it."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Literal

from localcloud.clock import Clock
from localcloud.database import WINDOW
from localcloud.fabric import Fabric
from localcloud.iaas import recovery
from localcloud.iaas.actions import ACTIONS
from localcloud.iaas.answers import Document
from localcloud.iaas.catalog import DEFAULT_ZONE, QUOTAS
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import (
    Injected,
    InternalError,
    MissingParameter,
    PermissionDenied,
    Refusal,
    TooManyCalls,
    UnknownAction,
)
from localcloud.iaas.faults.fault import Fault
from localcloud.iaas.faults.kinds import (
    BadReply,
    Error,
    Latency,
    LostReply,
    LostRequest,
    RequestFault,
)
from localcloud.iaas.faults.machines import end_fault, strike_running
from localcloud.iaas.faults.registry import FaultRegistry
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.persistence import Persistence
from localcloud.iaas.signature import Account, verify
from localcloud.parts import MachineHost
from localcloud.profiles import Profile

log = logging.getLogger(__name__)

PROOF = frozenset({"access_key_id", "signature"})
READING = ("Describe", "Get")
WITHOUT_ZONE = frozenset({"DescribeZones"})


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: a document, or one of the unusable forms of `BadReply`."""

    document: Document
    form: Literal["json", "gateway", "empty", "text"] = "json"


class Iaas:
    """One account's view of one zone. All methods run in one event loop.

    Attributes:
        calls: signed requests by action since the start or the last `reset`, refused ones too.
        faults: the injected faults; add and clear by `inject` and `clear_faults`.

    Args:
        persistence: stores the state for the next process; None keeps it in memory only.
        name: distinguishes this cloud from others on this machine.
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
        persistence: Persistence | None = None,
        name: str = "",
    ) -> None:
        self.account = account
        self.zone = zone
        self.calls: Counter[str] = Counter()
        self.faults = FaultRegistry()
        self._clock = clock
        self._persistence = persistence
        self._saving: asyncio.TimerHandle | None = None

        def build() -> Cloud:
            cloud = Cloud(
                clock=clock,
                profile=profile,
                fabric=fabric,
                machines=machines,
                random=random,
                account=account,
                zone=zone,
                quotas=quotas,
                faults=self.faults,
                name=name,
            )
            cloud.jobs.on_change = self._save_soon
            return cloud

        self._build = build
        self._cloud = build()

    async def resume(self) -> int:
        """Resume the stored cloud of an earlier process; return its number of running machines."""
        if self._persistence is None or not self._persistence.load(self._cloud, self.calls):
            return 0
        count = await recovery.resume(self._cloud)
        self._save()
        return count

    async def answer(self, verb: str, path: str, pairs: Sequence[tuple[str, str]]) -> Reply | None:
        """Answer one request; None when the connection is to be closed without an answer."""
        action, received_at = Parameters.from_pairs(pairs).text("action"), self._clock.now()

        def covers(fault: RequestFault) -> bool:
            return fault.covers(action)

        if latency := self.faults.strike(Latency, covers):
            await self._clock.sleep(latency.seconds)
        if self.faults.strike(LostRequest, covers):
            return None
        document = self.handle(verb, path, pairs, received_at)
        if self.faults.strike(LostReply, covers):
            return None
        bad = self.faults.strike(BadReply, covers)
        return Reply(document, bad.form if bad else "json")

    def handle(
        self, verb: str, path: str, pairs: Sequence[tuple[str, str]], received_at: datetime
    ) -> Document:
        """Answer one request with decoded parameters; errors are replies, too."""
        parameters = Parameters.from_pairs(pairs)
        action = parameters.text("action")
        try:
            verify(verb, path, pairs, self.account, received_at)
            answer = self._act(action, parameters)
        except Refusal as refusal:
            log.info("%s: %d %s", action, refusal.ret_code, refusal)
            self._save_soon()
            return {"ret_code": refusal.ret_code, "message": str(refusal)}
        if job := self._cloud.jobs.by_id.get(answer.get("job_id", "")):
            job.request = {name: value for name, value in pairs if name not in PROOF}
        if action.startswith(READING):
            self._save_soon()
        else:
            self._save()  # before the reply, so that a kill loses no change that was confirmed
        return {"action": f"{action}Response", "ret_code": 0, **answer}

    async def inject(self, fault: Fault) -> str:
        """Put a fault in force, also on running machines, and return its id."""
        entry = self.faults.add(fault)
        await strike_running(self._cloud, entry)
        self._save()
        return entry.id

    async def clear_faults(self, fault_id: str = "") -> list[str]:
        """Remove one fault, or all, and return their ids.

        Raises:
            BadFault: the id is unknown.
        """
        ids = [fault_id] if fault_id else [entry.id for entry in self.faults.entries()]
        for one in ids:
            await end_fault(self._cloud, self.faults.remove(one))
        self._save()
        return ids

    def list_faults(self) -> list[dict[str, Any]]:
        """Show every fault in force, and how often it has struck."""
        return [entry.to_document() for entry in self.faults.entries()]

    def count_resources(self) -> dict[str, int]:
        """Return the number of existing resources by kind."""
        return self._cloud.state.count()

    async def reset(self) -> None:
        """Empty the cloud, its counters and its faults."""
        await self.clear_faults()
        if self._persistence:
            self._persistence.empty()  # first: a record without its machine is worse
        await self._cloud.close()
        self._cloud = self._build()
        self.calls.clear()
        self._save()

    async def close(self) -> None:
        """Close; with a persistence, leave the machines for the next process."""
        self._save()
        if self._persistence is None:
            await self._cloud.close()
        else:
            persistence, self._persistence = self._persistence, None
            await self._cloud.suspend()
            persistence.close()

    @property
    def booting(self) -> int:
        """Return how many machines are booting."""
        return self._cloud.power.booting

    def disk_ids(self) -> set[str]:
        """Return the ids of all machines and images that may have a disk."""
        return self._cloud.state.disk_ids()

    def _save(self) -> None:
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None
        if self._persistence is not None:
            self._persistence.save(self._cloud, self.calls)

    def _save_soon(self) -> None:
        """Schedule a save that collects the changes of a short time."""
        if self._persistence is not None and self._saving is None:
            self._saving = asyncio.get_running_loop().call_later(WINDOW, self._save)

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
        self._refuse_by_fault(action)
        self._cloud.recycle_bin.empty()
        try:
            return act(self._cloud, parameters)
        except Refusal:
            raise
        except Exception as error:
            log.exception("%s failed", action)
            raise InternalError(f"{action} failed") from error

    def _refuse_by_fault(self, action: str) -> None:
        if limit := self.faults.exceeds_rate(action, self._clock.now()):
            raise TooManyCalls(limit.calls, limit.seconds)
        if error := self.faults.strike(Error, lambda fault: fault.covers(action)):
            raise Injected(error.code, error.message)
