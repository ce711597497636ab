"""All calls of our own code to the Prefect server; artifacts are in `blocks.artifacts`.

A server is restarted, or its database is locked for a moment: SQLite refuses at once a transaction
that began to write after another one did, and the server answers 503. Prefect's client repeats what
a busy server answers after two seconds, and a refused connection only where it was connected
before. So our calls go through `ask_server`, and those that a run makes often through `_client`,
which leaves the repetition to it: a locked database is free again within milliseconds.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, TypeVar, cast
from uuid import UUID

from httpx import HTTPStatusError, Response, TransportError
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import BlockDocumentUpdate, VariableCreate, VariableUpdate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.settings import PREFECT_API_URL
from pydantic import ValidationError

from domain.kernel.errors import InvalidSpec, TemporaryError
from domain.kernel.waiting import Clock

PATIENCE = 45.0
"""Seconds that a server may be silent: a restart takes less."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
"""Seconds between two attempts, doubled from the first to the second."""

BUSY = (408, 429, 500, 502, 503, 504)
"""HTTP statuses that another attempt may not meet; a locked database is a 503."""

NOT_FOUND = 404

SOON = 2.0
"""Seconds in which the change of a row is repeated: a renewal that comes late is worth nothing."""

ROW_TIMEOUT = 10.0
"""Seconds for one call about a row; Prefect's client would wait for a minute."""

T = TypeVar("T")
AnyBlock = TypeVar("AnyBlock", bound=Block)

_log = logging.getLogger(__name__)


def ask_server(call: Callable[[], T], clock: Clock = time, patience: float = PATIENCE) -> T:
    """Call the Prefect server, and again while it does not answer or is busy.

    Prefect's client may have repeated the call by itself for a minute before it raises an error. A
    call whose reply was lost is repeated, too, so it must be one that may be.

    Args:
        patience: seconds until the last attempt; 0 for a single one.

    Raises:
        TemporaryError: the server was silent or busy all the time; the message names it.
    """
    deadline, pause = clock.monotonic() + patience, FIRST_PAUSE
    while True:
        try:
            return call()
        except (TransportError, HTTPStatusError) as error:
            if isinstance(error, HTTPStatusError) and error.response.status_code not in BUSY:
                raise
            left = deadline - clock.monotonic()
            if left <= 0:
                raise TemporaryError(_describe(error)) from error
            _log.info("%s; it is asked again", _describe(error))
        clock.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE)


def _describe(error: TransportError | HTTPStatusError) -> str:
    place = PREFECT_API_URL.value() or "of this run"
    place = f"at {place}" if PREFECT_API_URL.value() else place
    if isinstance(error, HTTPStatusError):
        return (
            f"the Prefect server {place} does not serve calls (HTTP {error.response.status_code}); "
            "look at its log, then run the same command again"
        )
    return (
        f"the Prefect server {place} does not answer ({error or type(error).__name__}); start it "
        "again, for example with: make server. Then the same command continues"
    )


@contextmanager
def _client(**settings: Any) -> Iterator[SyncPrefectClient]:
    """Prefect's client for calls that `ask_server` repeats when the server is busy."""
    hooks = {"event_hooks": {"response": [_raise_if_busy]}}
    with get_client(sync_client=True, httpx_settings=hooks | settings) as client:
        yield client


def _raise_if_busy(response: Response) -> None:
    if response.status_code in BUSY:
        response.read()
        response.raise_for_status()


def read_server_time() -> datetime:
    """Read the clock of the configured server; ours where none is configured or none answers."""

    def ask() -> datetime:
        with _client() as client:
            return parsedate_to_datetime(client.hello().headers["Date"]).astimezone(UTC)

    if PREFECT_API_URL.value():
        with suppress(TemporaryError, HTTPStatusError, KeyError, ValueError):
            return ask_server(ask, patience=0.0)
    return datetime.now(UTC)


# Variables.


def read_variable(name: str, clock: Clock = time) -> Any:
    """Read a variable. Returns: None where there is none."""

    def read() -> Any:
        with _client() as client:
            found = client.read_variable_by_name(name)
        return found.value if found else None

    return ask_server(read, clock)


def write_variable(name: str, value: Any, clock: Clock = time) -> None:
    """Create or replace a variable."""

    def write() -> None:
        with _client() as client:
            try:
                client.create_variable(VariableCreate(name=name, value=value))
            except ObjectAlreadyExists:
                client.update_variable(VariableUpdate(name=name, value=value))

    ask_server(write, clock)


def delete_variable(name: str, clock: Clock = time) -> None:
    """Delete a variable, if there is one."""

    def delete() -> None:
        with _client() as client, suppress(ObjectNotFound):
            client.delete_variable_by_name(name)

    ask_server(delete, clock)


# Variables as a compare-and-set: a name has one row in the database, and the id of a row is unique.


def create_variable(name: str, value: Any) -> bool:
    """Create a variable. Returns: False where one of this name exists, perhaps from a lost reply.

    Of two that are created at once the database refuses one: names are unique in it, for SQLite and
    PostgreSQL alike.
    """

    def create() -> bool:
        with _client() as client:
            try:
                client.create_variable(VariableCreate(name=name, value=value))
            except ObjectAlreadyExists:
                return False
            return True

    return ask_server(create)


def find_row(name: str) -> tuple[str, Any] | None:
    """Find a variable. Returns: the id of its row, and its value."""

    def find() -> tuple[str, Any] | None:
        with _client() as client:
            found = client.read_variable_by_name(name)
        return (str(found.id), found.value) if found else None

    return ask_server(find)


def change_row(row: str, value: Any) -> bool:
    """Change the value of exactly this row, soon or not at all. Returns: False if it is gone."""
    return _if_found("PATCH", row, SOON, json={"value": value})


def delete_row(row: str) -> None:
    """Delete exactly this row, and none that has got the name since."""
    _if_found("DELETE", row, PATIENCE)


def _if_found(method: Literal["PATCH", "DELETE"], row: str, patience: float, **body: Any) -> bool:
    def send() -> bool:
        with _client(timeout=ROW_TIMEOUT) as client:
            try:
                client.request(method, "/variables/{id}", path_params={"id": row}, **body)
            except HTTPStatusError as error:
                if error.response.status_code != NOT_FOUND:
                    raise
                return False
            return True

    return ask_server(send, patience=patience)


# Blocks.


def load_block(kind: type[AnyBlock], name: str, clock: Clock = time) -> AnyBlock | None:
    """Load the block of this name.

    Returns: None where none is saved.

    Raises:
        InvalidSpec: another version has saved it, with other fields.
    """
    try:
        # Outside an event loop, as here, `load` returns the block and not a coroutine.
        return ask_server(lambda: cast(AnyBlock, kind.load(name)), clock)
    except (ValueError, ObjectNotFound):
        return None
    except RuntimeError as error:
        if not isinstance(error.__cause__, ValidationError):
            raise
        lacking = ", ".join(str(one["loc"][0]) for one in error.__cause__.errors() if one["loc"])
        raise InvalidSpec(
            f"the block {kind._block_type_slug}/{name} does not fit this version "
            f"({lacking}); save it again in the Prefect UI under Blocks"
        ) from error


def save_block(block: Block, name: str, clock: Clock = time) -> None:
    """Save a block in place of any other of this name.

    The first time it registers the block's type, with some seven calls; then this process only
    replaces the values.
    """
    key = (PREFECT_API_URL.value() or "", type(block)._block_type_slug or "", name)
    known = _saved.get(key)
    if known is None or not ask_server(lambda: _replace_values(known, block), clock):
        _saved[key] = ask_server(lambda: cast(UUID, block.save(name, overwrite=True)), clock)


_saved: dict[tuple[str, str, str], UUID] = {}
"""Documents that this process has saved, by server, type and name."""


def _replace_values(document: UUID, block: Block) -> bool:
    """Replace the values of a document. Returns: False if it is gone."""
    values = block.model_dump(context={"include_secrets": True})
    with _client() as client:
        try:
            client.update_block_document(
                document, BlockDocumentUpdate(data=values, merge_existing_data=False)
            )
        except ObjectNotFound:
            return False
        return True


def delete_block(kind: type[Block], name: str, clock: Clock = time) -> bool:
    """Delete a block. Returns: whether there was one."""
    with suppress(ValueError, ObjectNotFound):
        ask_server(lambda: kind.delete(name), clock)
        return True
    return False
