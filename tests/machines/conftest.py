"""The ring of real machines: skipped, with its reason, where no guest can run."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.machines import guest as guests
from tests.machines.machine import Machine, new_machine
from tests.machines.mirror import Mirrors


@pytest.fixture(scope="session", autouse=True)
def _can_run() -> None:
    if reason := guests.missing_condition():
        pytest.skip(f"no real machine: {reason}")
    guests.sweep()
    try:
        for release in guests.RELEASES:
            guests.build(release)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no real machine: its packages cannot be had: {error}")


@pytest.fixture(scope="session")
def mirrors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrors]:
    # Short: gpg's agent has a socket in the folder.
    served = Mirrors(tmp_path_factory.mktemp("m"))
    yield served
    served.close()


@pytest.fixture(scope="session")
def shared(mirrors: Mirrors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine for the cases that leave it as they found it."""
    with new_machine(mirrors, tmp_path_factory.mktemp("shared")) as machine:
        yield machine
