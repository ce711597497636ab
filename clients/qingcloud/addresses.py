"""Public addresses."""

from collections.abc import Sequence

from clients.qingcloud.calls import Calls
from clients.qingcloud.reply import Item
from clients.qingcloud.transport import some
from domain.cloud.records import Eip
from domain.spec.prices import Billing

LIVING = ("pending", "available", "associated", "suspended")


class AddressCalls(Calls):
    def find_eips(self, name: str) -> list[Eip]:
        """Find the public addresses of exactly this name."""
        return [_eip(item) for item in self._find("DescribeEips", "eip", name, status=LIVING)]

    def search_eips(self, prefix: str) -> list[Eip]:
        """Find the public addresses whose names have a prefix."""
        return [_eip(item) for item in self._search("DescribeEips", "eip", prefix, status=LIVING)]

    def read_eips(self, eip_ids: Sequence[str]) -> list[Eip]:
        """Read the public addresses with these ids that are not released."""
        items = self._read("DescribeEips", "eip_set", "eips", eip_ids, status=LIVING)
        return [_eip(item) for item in items]

    def allocate_eip(self, name: str, bandwidth_mbps: int, billing: Billing) -> str:
        """Allocate a public address (bandwidth in Mbit/s), billed from now on. Returns: its id."""
        reply = self._transport.change(
            "AllocateEips",
            {
                "eip_name": name,
                "bandwidth": bandwidth_mbps,
                "billing_mode": billing.value,
                "count": 1,
            },
        )
        return reply.first("eips")

    def release_eips(self, eip_ids: Sequence[str]) -> str:
        """Release unused addresses. Returns: the job."""
        return self._start("ReleaseEips", eips=some(eip_ids))


def _eip(item: Item) -> Eip:
    return Eip(
        id=item.text("eip_id"),
        name=item.optional_text("eip_name"),
        address=item.optional_text("eip_addr"),
        bandwidth_mbps=item.number("bandwidth"),
        billing=item.word("billing_mode", Billing),
        status=item.text("status"),
        transition=item.optional_text("transition_status"),
        bound_to=item.optional_item("resource").optional_text("resource_id"),
        created_at=item.moment("create_time"),
    )
