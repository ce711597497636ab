"""Artifacts on the Prefect server: texts and tables of a run, and its progress bar.

An artifact belongs to the run that publishes it, and the UI shows it there. A command prints the
addresses of what its run has published.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

from blocks.server_calls import PATIENCE, ask_server
from domain.kernel.waiting import Clock


@dataclass(frozen=True, slots=True)
class Published:
    """An artifact of a run; `url` is its page, empty on a server that ends with the command."""

    key: str
    words: str
    url: str


_collecting: ContextVar[dict[str, Published] | None] = ContextVar("published", default=None)


@contextmanager
def collecting_published() -> Iterator[dict[str, Published]]:
    """Collect the artifacts that are published inside, the latest version of each key."""
    found: dict[str, Published] = {}
    token = _collecting.set(found)
    try:
        yield found
    finally:
        _collecting.reset(token)


def publish_markdown(
    text: str, key: str, words: str, *, clock: Clock = time, patience: float = PATIENCE
) -> UUID:
    """Store a text as the next version of an artifact. Returns: its id.

    Args:
        words: its description.
    """

    def create() -> UUID:
        return cast(UUID, create_markdown_artifact(text, key=key, description=words))

    return _note(ask_server(create, clock, patience), key, words)


def publish_table(
    rows: Sequence[Mapping[str, Any]],
    key: str,
    words: str,
    *,
    clock: Clock = time,
    patience: float = PATIENCE,
) -> UUID:
    """Store a table, one mapping a row, as the next version of an artifact. Returns: its id."""
    table = [dict(row) for row in rows]

    def create() -> UUID:
        return cast(UUID, create_table_artifact(table, key=key, description=words))

    return _note(ask_server(create, clock, patience), key, words)


def _note(artifact: UUID, key: str, words: str) -> UUID:
    page = f"{PREFECT_UI_URL.value()}/artifacts/artifact/{artifact}"
    collecting = _collecting.get()
    if collecting is not None:
        collecting[key] = Published(key, words, page if PREFECT_API_URL.value() else "")
    return artifact


def publish_progress(key: str, words: str) -> UUID:
    """Create an empty progress bar, at the first attempt or not at all. Returns: its id."""
    create = create_progress_artifact
    return ask_server(lambda: cast(UUID, create(0.0, key=key, description=words)), patience=0.0)


def update_progress(artifact: UUID, percent: float, words: str) -> None:
    """Move a progress bar, at the first attempt or not at all."""
    # Not update_progress_artifact: in a thread without a run it leaves a connection open.
    change = ArtifactUpdate(data=percent, description=words)

    def update() -> None:
        with get_client(sync_client=True) as client:
            client.update_artifact(artifact, change)

    ask_server(update, patience=0.0)
