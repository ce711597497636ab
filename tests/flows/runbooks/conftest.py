"""A world for each test, with samples in a file of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.runbooks.world import World, new_world


@pytest.fixture(autouse=True)
def samples_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLES_URL", f"sqlite:///{tmp_path / 'samples.db'}")


@pytest.fixture
def world() -> Iterator[World]:
    with new_world() as world:
        yield world
