"""Endpoints, signatures, TLS and threads."""

import datetime
import ipaddress
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from clients.qingcloud import QingCloud
from domain.kernel.errors import AccessDenied, InvalidSpec, Unreachable
from tests.clients.qingcloud.canned_cloud import (
    KEY,
    SECRET,
    Answer,
    CannedCloud,
    Request,
    ok,
    signature_of,
)


def test_the_canned_cloud_signs_as_the_documents_do() -> None:
    params = {
        "access_key_id": "QYACCESSKEYIDEXAMPLE",
        "action": "RunInstances",
        "count": "1",
        "image_id": "centos64x86a",
        "instance_name": "demo",
        "instance_type": "small_b",
        "login_mode": "passwd",
        "login_passwd": "QingCloud20130712",
        "signature_method": "HmacSHA256",
        "signature_version": "1",
        "time_stamp": "2013-08-27T14:30:10Z",
        "version": "1",
        "vxnets.1": "vxnet-0",
        "zone": "pek3a",
    }
    expected = "byjccvWIvAftaq+oublemagH3bYAlDWxxLFAzAsyslw="
    assert signature_of("GET", "/iaas/", params, "SECRETACCESSKEY") == expected


@pytest.mark.parametrize("path", ["", "/", "/iaas", "/iaas/", "/cloud/v1/iaas/"])
def test_the_path_of_the_endpoint_is_requested_and_signed(canned: CannedCloud, path: str) -> None:
    canned.script = lambda request: ok(tag_id="tag-1")
    endpoint = f"http://127.0.0.1:{canned.port}{path}"

    assert QingCloud("pek3a", KEY, SECRET, endpoint).create_tag("demo") == "tag-1"
    assert canned.requests[0].path == ("/iaas/" if path in ("", "/") else path)


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "api.qingcloud.com",
        "ftp://api.qingcloud.com/iaas/",
        "https:///iaas/",
        "https://api.qingcloud.com:99999/iaas/",
        "https://api.qingcloud.com:port/iaas/",
        "https://user:word@api.qingcloud.com/iaas/",
        "https://api.qingcloud.com/iaas/?action=RunInstances",
        "https://api.qingcloud.com/ia as/",
        "https://api qingcloud.com/iaas/",
    ],
)
def test_invalid_endpoint_is_refused_with_an_example(endpoint: str) -> None:
    with pytest.raises(InvalidSpec, match=r"https://api\.qingcloud\.com:443/iaas/"):
        QingCloud("pek3a", KEY, SECRET, endpoint)


@pytest.mark.parametrize(
    ("key", "secret"), [("", ""), ("", SECRET), (KEY, ""), (" ", SECRET), (KEY, "\n")]
)
def test_an_empty_key_is_refused_before_anything_is_sent(key: str, secret: str) -> None:
    with pytest.raises(AccessDenied, match="nothing was sent"):
        QingCloud("pek3a", key, secret, "http://127.0.0.1:9/iaas/")


def test_a_wrong_secret_is_access_denied(canned: CannedCloud) -> None:
    with pytest.raises(AccessDenied, match="signature not matched"):
        QingCloud("pek3a", KEY, "another", canned.endpoint).list_zones()


def test_a_name_without_an_address_is_unreachable() -> None:
    client = QingCloud("pek3a", KEY, SECRET, "http://a..b/iaas/")
    with pytest.raises(Unreachable, match="Nothing answers"):
        client.list_zones()


def test_every_call_has_its_own_connection(canned: CannedCloud, client: QingCloud) -> None:
    canned.script = lambda request: ok(tag_set=[], total_count=0)
    for _ in range(3):
        client.find_tags("demo")
    assert len({request.client_port for request in canned.requests}) == 3


def test_threads_share_a_client_and_get_their_own_replies(
    canned: CannedCloud, client: QingCloud
) -> None:
    def echo(request: Request) -> Answer:
        name = request.params["search_word"]
        return ok(tag_set=[{"tag_id": f"tag-{name}", "tag_name": name}], total_count=1)

    canned.script = echo
    names = [f"name{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(client.find_tags, names))
    assert [tag.id for tags in found for tag in tags] == [f"tag-{name}" for name in names]


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """A server context with a fresh certificate for 127.0.0.1, and that certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "canned")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file


def test_a_trusted_certificate_is_accepted(
    tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, file = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with CannedCloud(context) as canned:
        canned.script = lambda request: ok(tag_id="tag-1")
        assert QingCloud("pek3a", KEY, SECRET, canned.endpoint).create_tag("demo") == "tag-1"


def test_an_untrusted_certificate_is_unreachable_and_nothing_is_sent(
    tls: tuple[ssl.SSLContext, Path],
) -> None:
    with CannedCloud(tls[0]) as canned:
        client = QingCloud("pek3a", KEY, SECRET, canned.endpoint)
        with pytest.raises(Unreachable, match=r"certificate .* is not trusted .* nothing was sent"):
            client.create_tag("demo")
        assert canned.requests == []


def test_https_to_a_plain_port_is_unreachable(canned: CannedCloud) -> None:
    client = QingCloud("pek3a", KEY, SECRET, canned.endpoint.replace("http:", "https:"))
    with pytest.raises(Unreachable, match="does not speak TLS"):
        client.create_tag("demo")
