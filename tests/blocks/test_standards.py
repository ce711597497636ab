"""Each kind of block meets Prefect's own standard for blocks of an integration."""

import json
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from prefect.blocks.core import Block
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite

from blocks.kinds import KINDS
from blocks.looks import LOGOS
from blocks.prefect_server import server_note


class Files(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Where a server that `make server` has started serves the logos."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(LOGOS))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def _noted(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    server_note().write_text(json.dumps({"api_url": f"{server}/api", "logos": server}))
    with temporary_settings({PREFECT_API_URL: f"{server}/api"}):
        yield


@pytest.mark.parametrize("block", KINDS, ids=lambda kind: str(kind._block_type_slug))
class TestStandard(BlockStandardTestSuite):
    """Description, documentation, each field, code example, logo."""

    @pytest.fixture
    def block(self) -> type[Block]:
        raise AssertionError("each kind is a parameter")


def test_every_logo_is_of_a_kind() -> None:
    slugs = {f"{kind._block_type_slug}.png" for kind in KINDS}
    assert {file.name for file in LOGOS.iterdir()} == slugs


def test_another_server_has_no_logos() -> None:
    with temporary_settings({PREFECT_API_URL: "https://prefect.example/api"}):
        assert {kind._logo_url for kind in KINDS} == {None}
