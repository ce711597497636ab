"""Which connections go through a proxy, and how the cloud's API is reached through one."""

import os
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from blocks.settings import keep_loopback_direct
from clients.proxies import find_proxy
from clients.qingcloud import QingCloud
from domain.kernel.errors import Unreachable
from domain.secrets.pki import make_cluster_ca, make_server_certificate
from tests.recording_proxy import RecordingProxy, recording_proxy

ZONES = {"ret_code": 0, "zone_set": [{"zone_id": "pek3", "status": "active"}], "total_count": 1}
PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def no_proxy_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("url", "names", "through"),
    [
        ("https://api.qingcloud.com:443/iaas/", "", True),
        ("http://api.qingcloud.com/iaas/", "", True),
        ("https://8.8.8.8:8080", "", True),
        ("https://127.0.0.1:6443", "", False),
        ("https://127.64.197.225:8080", "", False),
        ("http://localhost:4200/api", "", False),
        ("https://[::1]:8080", "", False),
        ("https://192.168.1.5:6443", "", False),
        ("https://172.20.5.3:6443", "", False),
        ("https://k8s-api.demo.internal:6443", "", False),
        ("https://api.qingcloud.com/iaas/", "qingcloud.com", False),
        ("https://api.qingcloud.com/iaas/", ".qingcloud.com,other", False),
        ("https://api.qingcloud.com/iaas/", "cloud.com", True),
        ("https://api.qingcloud.com/iaas/", "*", False),
        ("https://8.8.8.8:8080", "8.8.0.0/16", False),
        ("https://8.8.8.8:8080", "9.9.9.9, 8.8.8.8", False),
    ],
)
def test_the_rule(url: str, names: str, through: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_proxy(url) == ""
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", names)
    assert find_proxy(url) == (PROXY if through else "")


def test_libraries_that_read_the_environment_leave_loopback_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep_loopback_direct()
    assert find_proxy("https://cloud.example") == ""
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    monkeypatch.setenv("no_proxy", "")
    for _ in range(2):
        keep_loopback_direct()

    assert os.environ["NO_PROXY"] == "intranet.example,localhost,127.0.0.1,::1"
    assert os.environ["no_proxy"] == "localhost,127.0.0.1,::1"


@pytest.mark.local
class TestTheCloudThroughAProxy:
    @pytest.fixture
    def proxy(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingProxy]:
        with recording_proxy(ZONES) as proxy:
            login = proxy.url.replace("http://", "http://me:p%40ss@")
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.setenv("HTTPS_PROXY", login)
            yield proxy

    def test_a_company_that_opens_tls_is_trusted_by_ssl_cert_file(
        self, proxy: RecordingProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = datetime.now(UTC)
        company = make_cluster_ca(now)
        shown = make_server_certificate(
            company, ["api.cloud.example"], now - timedelta(hours=1), timedelta(days=1)
        )
        (tmp_path / "shown.pem").write_text(shown.certificate + shown.key)
        proxy.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        proxy.tls.load_cert_chain(tmp_path / "shown.pem")
        cloud = "https://api.cloud.example/iaas/"
        with pytest.raises(Unreachable, match=r"is not trusted .* nothing was sent"):
            QingCloud("pek3", "KEY", "secret", cloud).list_zones()
        (tmp_path / "company.pem").write_text(company.certificate)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "company.pem"))
        assert [zone.id for zone in QingCloud("pek3", "KEY", "secret", cloud).list_zones()] == [
            "pek3"
        ]
        assert {line.split()[:2][1] for line in proxy.seen} == {"api.cloud.example:443"}
        assert "Proxy-Authorization: Basic bWU6cEBzcw==" in proxy.heads[0]
        assert "GET /iaas/?" in proxy.heads[-1]
        assert "Proxy-Authorization" not in proxy.heads[-1]

    def test_an_endpoint_without_tls_is_asked_for_as_a_whole_url(
        self, proxy: RecordingProxy
    ) -> None:
        zones = QingCloud("pek3", "KEY", "secret", "http://cloud.example:7777/iaas/").list_zones()
        assert [zone.id for zone in zones] == ["pek3"]
        (line,) = proxy.seen
        assert line.startswith("GET http://cloud.example:7777/iaas/?")

    def test_a_proxy_that_refuses_is_named(self, proxy: RecordingProxy) -> None:
        words = r"through the proxy 127\.0\.0\.1:\d+ \(tunnel .* 403"
        with pytest.raises(Unreachable, match=words):
            QingCloud("pek3", "KEY", "secret", "https://api.cloud.example/iaas/").list_zones()
