"""Public addresses."""

from collections.abc import Sequence

from clients.qingcloud.paging import read_all
from clients.qingcloud.reply import Item
from clients.qingcloud.transport import Calls, some
from domain.cloud.records import Eip
from domain.spec.prices import Billing

LIVING = ("pending", "available", "associated", "suspended")


class AddressCalls(Calls):
    def find_eips(self, name: str) -> list[Eip]:
        """Find the public addresses of exactly this name."""
        wanted = {"search_word": name, "status": LIVING}
        items = read_all(self._transport, "DescribeEips", "eip_set", wanted)
        return [_eip(item) for item in items if item.optional_text("eip_name") == name]

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
        reply = self._transport.change("ReleaseEips", {"eips": some(eip_ids)})
        return reply.text("job_id")


def _eip(item: Item) -> Eip:
    try:
        billing = Billing(item.text("billing_mode"))
    except ValueError as error:
        raise item.wrong_word("billing_mode") from error
    return Eip(
        id=item.text("eip_id"),
        name=item.optional_text("eip_name"),
        address=item.optional_text("eip_addr"),
        bandwidth_mbps=item.number("bandwidth"),
        billing=billing,
        status=item.text("status"),
        transition=item.optional_text("transition_status"),
        bound_to=item.optional_item("resource").optional_text("resource_id"),
        created_at=item.moment("create_time"),
    )
