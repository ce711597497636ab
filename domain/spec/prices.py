"""Prices per hour, from one table in the cluster's description.

QingCloud has no call for the price of a planned resource, so the user fills in the table. The
defaults are guesses in the right order of magnitude, not QingCloud's price list; every sum computed
from them is marked as a guess until `confirmed` is set.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.spec.part import Part, Switch


class Billing(StrEnum):
    """How a public address is billed: by its bandwidth, or by its traffic."""

    BANDWIDTH = "bandwidth"
    TRAFFIC = "traffic"


Price = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=6)]
"""Yuan an hour, to a millionth."""

VCPU_GUESS = Decimal("0.070")
GIB_GUESS = Decimal("0.035")


def _guess_instance_types() -> dict[str, Decimal]:
    """Prices by size; the enterprise family costs 1.5 times as much as the basic one."""
    sizes = {"small": 1, "large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32}
    basic, enterprise = tuple(sizes)[:4], tuple(sizes)[1:]
    families = {"s1": (Decimal(1), basic), "e1": (Decimal("1.5"), enterprise)}
    return {
        f"{family}.{size}.r{ratio}": factor * sizes[size] * (VCPU_GUESS + ratio * GIB_GUESS)
        for family, (factor, offered) in families.items()
        for size in offered
        for ratio in (1, 2, 4)
    }


class Prices(Part):
    """Prices in yuan an hour. Defaults are guesses; enter those of your contract."""

    confirmed: Switch = Field(
        False, description="Set when these are your prices; until then sums are called guesses"
    )
    instance_types: dict[str, Price] = Field(
        default_factory=_guess_instance_types,
        description="By instance type, system disk included; a type that is missing has no price",
    )
    router: Price = Field(Decimal("0.25"), description="The router of a VPC")
    load_balancer: Price = Field(Decimal("0.20"), description="A load balancer")
    address_traffic: Price = Field(
        Decimal("0.02"),
        description="Holding a public address billed by traffic; the traffic is not counted",
    )
    address_mbps: Price = Field(
        Decimal("0.04"), description="Each Mbit/s of a public address billed by bandwidth"
    )

    volume_gib: Price = Field(
        Decimal("0.0006"), description="Each GiB of a volume that an add-on has made"
    )

    def machine(self, type_id: str) -> Decimal | None:
        """The price of a machine of this type, or None where it is unknown."""
        prices: Mapping[str, Decimal] = self.instance_types
        return prices.get(type_id)

    def address(self, bandwidth_mbps: int, billing: Billing) -> Decimal:
        if billing is Billing.BANDWIDTH:
            return self.address_mbps * bandwidth_mbps
        return self.address_traffic
