import socket
from pathlib import Path

import httpx
import pytest

from clients.scrapes import ScrapePage
from domain.kernel.errors import InvalidSpec


def test_page_shows_the_file_of_the_last_collection(tmp_path: Path) -> None:
    file = tmp_path / "metrics.prom"
    with ScrapePage("127.0.0.1:0", file) as page:
        page.trouble = ""
        for text in ("pods 1\n", "pods 2\n"):
            file.write_text(text)
            reply = httpx.get(page.url, trust_env=False)
            assert (reply.status_code, reply.text) == (200, text)
            assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_old_numbers_are_not_shown_while_collections_fail(tmp_path: Path) -> None:
    file = tmp_path / "metrics.prom"
    with ScrapePage("0", file) as page:
        assert httpx.get(page.url, trust_env=False).status_code == 503
        page.trouble = ""
        missing = httpx.get(page.url, trust_env=False)
        assert (missing.status_code, "No such file" in missing.text) == (503, True)
        file.write_text("pods 1\n")
        page.trouble = "the cloud does not answer"
        reply = httpx.get(page.url, trust_env=False)
        assert (reply.status_code, reply.text) == (503, "the cloud does not answer\n")


def test_port_alone_is_loopback_and_other_paths_name_the_metrics(tmp_path: Path) -> None:
    with ScrapePage("0", tmp_path / "metrics.prom") as page:
        assert page.url.startswith("http://127.0.0.1:")
        reply = httpx.get(page.url.removesuffix("/metrics"), trust_env=False)
        assert (reply.status_code, reply.text) == (404, "the metrics are at /metrics\n")


@pytest.mark.parametrize("address", ["", "here", "localhost:9108", "127.0.0.1", "127.0.0.1:x"])
def test_invalid_address_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match="not an address with a port"):
        ScrapePage(address, tmp_path / "metrics.prom")


def test_port_that_is_taken_or_too_large_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for port in (taken.getsockname()[1], 99999):
            with pytest.raises(InvalidSpec, match="cannot listen at"):
                ScrapePage(str(port), tmp_path / "metrics.prom")


def test_connections_end_with_the_page(tmp_path: Path) -> None:
    with ScrapePage("0", tmp_path / "metrics.prom") as page:
        url = page.url
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)
