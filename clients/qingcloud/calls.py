"""The base of the classes with the calls of one kind of resource."""

from collections.abc import Sequence

from clients.qingcloud.paging import read_all, read_existing
from clients.qingcloud.reply import Item
from clients.qingcloud.transport import Transport, Value


class Calls:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _list(self, action: str, set_name: str, **wanted: Value) -> list[Item]:
        """Read all pages of a list."""
        return read_all(self._transport, action, set_name, wanted)

    def _read(
        self, action: str, set_name: str, ids_name: str, ids: Sequence[str], **wanted: Value
    ) -> list[Item]:
        """Read the items with these ids, without those that do not exist."""
        unique = list(dict.fromkeys(ids))
        return read_existing(
            unique, lambda some: self._list(action, set_name, **{ids_name: some}, **wanted)
        )

    def _search(self, action: str, kind: str, prefix: str, **wanted: Value) -> list[Item]:
        """Read the items whose names begin with `prefix`; the cloud's search finds any part."""
        items = self._list(action, f"{kind}_set", search_word=prefix, **wanted)
        return [item for item in items if item.optional_text(f"{kind}_name").startswith(prefix)]

    def _find(self, action: str, kind: str, name: str, **wanted: Value) -> list[Item]:
        """Read the items of exactly this name."""
        items = self._search(action, kind, name, **wanted)
        return [item for item in items if item.optional_text(f"{kind}_name") == name]

    def _start(self, action: str, **params: Value) -> str:
        """Send a change that the cloud carries out later. Returns: its job."""
        return self._transport.change(action, params).text("job_id")
