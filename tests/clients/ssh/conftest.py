"""SSH servers for a test, and the loop that they run in."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domain.secrets.pki import make_ssh_keypair
from tests.clients.ssh.ssh_servers import Loop, Server


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.stop()


@pytest.fixture
def make_server(loop: Loop, tmp_path: Path) -> Callable[[], Server]:
    def make() -> Server:
        folder = tmp_path / f"machine-{len(list(tmp_path.iterdir()))}"
        (folder / "tmp").mkdir(parents=True)
        return loop.serve(Server(make_ssh_keypair(), make_ssh_keypair(), folder))

    return make


@pytest.fixture
def server(make_server: Callable[[], Server]) -> Server:
    return make_server()
