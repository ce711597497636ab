"""Reading whole lists: the cloud returns 20 items by default, and at most 100 per page."""

from collections.abc import Sequence

from clients.qingcloud.reply import Item
from clients.qingcloud.transport import Params, Transport
from domain.kernel.errors import FinalError, NotFound, TemporaryError

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


def read_by_ids(
    transport: Transport, action: str, set_name: str, id_name: str, ids: Sequence[str]
) -> list[Item]:
    """Read the items with these ids, without those that do not exist.

    An empty list makes no call: to the cloud it would mean all items.
    """
    unique = list(dict.fromkeys(ids))
    items: list[Item] = []
    for start in range(0, len(unique), PAGE_SIZE):
        chunk = unique[start : start + PAGE_SIZE]
        items += _read_existing(transport, action, set_name, id_name, chunk)
    return items


def _read_existing(
    transport: Transport,
    action: str,
    set_name: str,
    id_name: str,
    ids: Sequence[str],
) -> list[Item]:
    """Read all ids at once; in halves where an unknown one makes the whole call fail.

    The documents contradict each other about unknown ids: an empty set, or `ret_code` 2100.
    """
    if not ids:
        return []
    try:
        return read_all(transport, action, set_name, {id_name: ids})
    except NotFound:
        if len(ids) == 1:
            return []
    middle = len(ids) // 2
    return [
        item
        for half in (ids[:middle], ids[middle:])
        for item in _read_existing(transport, action, set_name, id_name, half)
    ]
