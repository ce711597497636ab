"""One cloud: its resources, its clock, and the components that implement it."""

from collections.abc import Mapping
from datetime import datetime
from random import Random

from localcloud.addresses import PublicAddresses
from localcloud.clock import Clock
from localcloud.fabric import Fabric
from localcloud.iaas.balancing import Balancers
from localcloud.iaas.faults.registry import FaultRegistry
from localcloud.iaas.firewall import Firewall
from localcloud.iaas.jobs import Jobs
from localcloud.iaas.power import Power
from localcloud.iaas.public import PublicPorts
from localcloud.iaas.recycling import RecycleBin
from localcloud.iaas.signature import Account
from localcloud.iaas.state import State
from localcloud.parts import MachineHost
from localcloud.profiles import Profile

ID_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Cloud:
    """The state and the components that every action works on."""

    def __init__(
        self,
        *,
        clock: Clock,
        profile: Profile,
        fabric: Fabric,
        machines: MachineHost,
        random: Random,
        account: Account,
        zone: str,
        quotas: Mapping[str, int],
        faults: FaultRegistry,
        name: str,
    ) -> None:
        self.clock = clock
        self.profile = profile
        self.random = random
        self.account = account
        self.zone = zone
        self.quotas = quotas
        self.faults = faults
        self.state = State(clock.now(), self.new_id("sg"))
        self.jobs = Jobs(clock, self.new_id)
        self.power = Power(machines)
        self.recycle_bin = RecycleBin(clock, self.state, self.jobs, self.power)
        self.addresses = PublicAddresses(name)
        self.firewall = Firewall(self.state)
        self.public = PublicPorts(fabric, self.firewall.admits_from_outside)
        self.balancers = Balancers(clock, self.state, fabric, profile.health_check)
        fabric.allow = self.firewall.allow

    def now(self) -> datetime:
        return self.clock.now()

    def new_id(self, prefix: str) -> str:
        """Return a new id as the cloud forms it: a prefix and eight letters or digits."""
        return f"{prefix}-{''.join(self.random.choices(ID_LETTERS, k=8))}"

    async def close(self) -> None:
        """Close everything; jobs first, so that they start nothing new meanwhile."""
        await self._close_ports()
        await self.power.close()

    async def suspend(self) -> None:
        """Stop everything, and leave the machines for the next process."""
        await self._close_ports()
        await self.power.suspend()

    async def _close_ports(self) -> None:
        await self.jobs.close()
        await self.public.close()
        await self.balancers.close()
        self.addresses.close()
