"""Reading whole lists: the cloud returns 20 items by default, and at most 100 per page."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from clients.qingcloud.reply import Item
from clients.qingcloud.transport import Params, Transport
from domain.kernel.errors import FinalError, NotFound, TemporaryError

T = TypeVar("T")

PAGE_SIZE = 100
MOST_PAGES = 500
READINGS = 3


def read_all(transport: Transport, action: str, set_name: str, params: Params) -> list[Item]:
    """Read all pages of a list.

    Pages shift when an item is created or deleted in between, and another one may be missed. A list
    whose total changes meanwhile is therefore read again.

    Raises:
        TemporaryError: the total kept changing.
    """
    for _ in range(READINGS):
        items = _read_pages(transport, action, set_name, params)
        if items is not None:
            return items
    raise TemporaryError(f"{action}: the list changed while its pages were read. Try again.")


def _read_pages(
    transport: Transport, action: str, set_name: str, params: Params
) -> list[Item] | None:
    """Read all pages once. Returns: None when the total has changed meanwhile."""
    items: list[Item] = []
    total: int | None = None
    for number in range(MOST_PAGES):
        reply = transport.read(action, {**params, "offset": len(items), "limit": PAGE_SIZE})
        page = reply.items(set_name)
        items += page
        seen = reply.optional_number("total_count")
        if number and seen != total:
            return None
        total = seen
        is_last = len(page) < PAGE_SIZE if total is None else len(items) >= total
        if is_last or not page:
            return items
    raise FinalError(f"{action}: more than {MOST_PAGES * PAGE_SIZE:,} items; this cannot be right.")


def read_existing(ids: Sequence[T], read: Callable[[Sequence[T]], list[Item]]) -> list[Item]:
    """Read items by id, a hundred per call; unknown ids are left out.

    An empty list makes no call: to the cloud it would mean all items. The documents contradict
    each other about unknown ids (an empty set, or `ret_code` 2100), so a call that fails because
    of one is made again for each half of its ids.
    """
    chunks = (ids[start : start + PAGE_SIZE] for start in range(0, len(ids), PAGE_SIZE))
    return [item for chunk in chunks for item in _read_in_halves(chunk, read)]


def _read_in_halves(ids: Sequence[T], read: Callable[[Sequence[T]], list[Item]]) -> list[Item]:
    try:
        return read(ids)
    except NotFound:
        if len(ids) == 1:
            return []
    middle = len(ids) // 2
    return _read_in_halves(ids[:middle], read) + _read_in_halves(ids[middle:], read)
