"""Machines with real SSH servers, for the tests of what runs on them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.ssh.ssh_servers import Loop
from tests.tasks.ssh_machines import Machines


@pytest.fixture
def make_machines(tmp_path: Path) -> Iterator[Callable[[int], Machines]]:
    loop = Loop()
    yield lambda count: Machines(loop, tmp_path, count)
    loop.stop()
