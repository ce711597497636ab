"""Server certificates are stored, and load balancers terminate TLS with them."""

import http.client
import logging
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from localcloud.iaas.balancer_records import ServerCertificate
from tests.localcloud.iaas.cloud_under_test import CloudUnderTest, eventually, serve_cloud
from tests.localcloud.iaas.network_under_test import (
    make_balancer,
    make_eip,
    make_vpc,
    private_ip,
    run_machines,
)
from tests.localcloud.iaas.web_under_test import NAME, Certified, WebServer, make_certificate, serve


def upload(cloud: CloudUnderTest, certified: Certified) -> str:
    answer = cloud.ok("CreateServerCertificate", server_certificate_name="w", **certified.request)
    return str(answer["server_certificate_id"])


def find(cloud: CloudUnderTest, **body: Any) -> list[dict[str, Any]]:
    return list(cloud.ok("DescribeServerCertificates", **body)["server_certificate_set"])


def test_certificate_is_kept_renamed_and_deleted(cloud: CloudUnderTest) -> None:
    certified = make_certificate()
    certificate = upload(cloud, certified)
    (seen,) = find(cloud, server_certificates=[certificate])
    assert certificate.startswith("sc-")
    assert seen["certificate_content"] == certified.certificate
    assert seen["private_key"] == certified.private_key  # as the documents show it
    assert (seen["server_certificate_name"], seen["description"]) == ("w", "")
    changes = {"server_certificate_name": "", "description": "of the shop"}
    cloud.ok("ModifyServerCertificateAttributes", server_certificate=certificate, **changes)
    (seen,) = find(cloud, search_word=certificate)
    assert (seen["server_certificate_name"], seen["description"]) == ("", "of the shop")
    cloud.ok("DeleteServerCertificates", server_certificates=[certificate])
    assert find(cloud) == []


@pytest.mark.parametrize("fault", ["of another", "locked", "no key at all"])
def test_certificate_needs_its_key(cloud: CloudUnderTest, fault: str) -> None:
    certified = make_certificate()
    keys = {"of another": make_certificate().private_key, "locked": certified.locked_key}
    body = certified.request | {"private_key": keys.get(fault, "no key")}
    answer = cloud.call("CreateServerCertificate", **body)
    assert (answer["ret_code"], "private_key" in answer["message"]) == (1100, True)


def test_private_key_is_neither_logged_nor_part_of_a_record_s_text(
    cloud: CloudUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    certified = make_certificate()
    locked = certified.request | {"private_key": certified.locked_key}
    answers = [cloud.sdk.create_server_certificate(**one) for one in (certified.request, locked)]
    assert [answer["ret_code"] for answer in answers] == [0, 1100]
    assert "CreateServerCertificate: 1100" in caplog.text
    record = ServerCertificate(
        id="sc-1",
        created_at=datetime.now(UTC),
        content=certified.certificate,
        private_key=certified.private_key,
    )
    seen = f"{caplog.text} {answers} {record}"
    for key in (certified.private_key, certified.locked_key):
        assert key.split("\n")[1] not in seen


def test_key_among_the_certificates_is_not_the_key(cloud: CloudUnderTest) -> None:
    certified = make_certificate()
    chain = certified.certificate + certified.private_key
    body = {"certificate_content": chain, "private_key": "no key"}
    assert cloud.call("CreateServerCertificate", **body)["ret_code"] == 1100


@dataclass
class Shop:
    """A balancer with a public address, and a machine with a web server."""

    cloud: CloudUnderTest
    balancer: str
    address: str
    server: WebServer
    certified: Certified
    certificate: str

    def listen(self, protocol: str, backend_protocol: str, backend_port: int = 80) -> str:
        """Listen on port 8443 with the certificate, in force."""
        listener = {
            "listener_port": 8443,
            "listener_protocol": protocol,
            "backend_protocol": backend_protocol,
            "server_certificate_id": self.certificate,
            "forwardfor": 1,
        }
        (listener_id,) = self.cloud.ok(
            "AddLoadBalancerListeners", loadbalancer=self.balancer, listeners=[listener]
        )["loadbalancer_listeners"]
        backend = {"resource_id": self.server.machine, "port": backend_port}
        self.cloud.ok(
            "AddLoadBalancerBackends", loadbalancer_listener=listener_id, backends=[backend]
        )
        self.update()
        return str(listener_id)

    def update(self) -> None:
        self.cloud.done("UpdateLoadBalancers", loadbalancers=[self.balancer])

    def get(self) -> str:
        """Send a GET over TLS that trusts this certificate only.

        Returns the machine's reply, or the status of another reply than 200.
        """
        trust = ssl.create_default_context(cadata=self.certified.certificate)
        connection = http.client.HTTPSConnection(NAME, 8443, context=trust, timeout=60)
        plain = socket.create_connection((self.address, 8443), timeout=60)
        connection.sock = trust.wrap_socket(plain, server_hostname=NAME)
        connection.request("GET", "/")
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return body if answer.status == 200 else str(answer.status)


@pytest.fixture
def shop(cloud: CloudUnderTest) -> Shop:
    return open_shop(cloud)


def open_shop(cloud: CloudUnderTest) -> Shop:
    router, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    server, certified = WebServer(machine), make_certificate()
    serve(cloud, router, server)
    balancer, eip = make_balancer(cloud, vxnet), make_eip(cloud)
    cloud.done("AssociateEipsToLoadBalancer", loadbalancer=balancer, eips=[eip])
    address = cloud.one("eip", eip)["eip_addr"]
    return Shop(cloud, balancer, address, server, certified, upload(cloud, certified))


@pytest.mark.parametrize(
    ("protocol", "backend_protocol"),
    [("https", "http"), ("https", "https"), ("ssl", "tcp"), ("ssl", "ssl")],
)
def test_tls_ends_at_the_balancer(
    shop: Shop, protocol: str, backend_protocol: str, tmp_path: Path
) -> None:
    if backend_protocol in ("https", "ssl"):
        own = make_certificate()  # a balancer accepts unknown authorities
        (tmp_path / "own.pem").write_text(own.certificate + own.private_key)
        shop.server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        shop.server.tls.load_cert_chain(tmp_path / "own.pem")
    listener = shop.listen(protocol, backend_protocol)
    assert shop.get() == shop.server.machine
    assert ("X-Forwarded-For: 127.0.0.1" in shop.server.heads[0]) == (protocol == "https")
    (seen,) = shop.cloud.ok("DescribeLoadBalancerListeners", loadbalancer_listeners=[listener])[
        "loadbalancer_listener_set"
    ]
    assert seen["server_certificate_id"] == [shop.certificate]


def test_client_without_tls_gets_no_answer(shop: Shop) -> None:
    shop.listen("https", "http")
    received = b""
    with socket.create_connection((shop.address, 8443), timeout=60) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with suppress(ConnectionResetError):
            while data := connection.recv(1024):
                received += data
    assert b"HTTP/1.1" not in received
    assert shop.server.heads == []
    assert shop.get() == shop.server.machine


def test_backend_without_tls_counts_as_unreachable(shop: Shop) -> None:
    shop.listen("https", "https", backend_port=22)
    assert shop.get() == "503"


def test_certificate_of_a_listener_is_replaced_with_the_update(shop: Shop) -> None:
    listener = shop.listen("https", "http")
    other = make_certificate()
    changes = {"server_certificate_id": [upload(shop.cloud, other)]}
    shop.cloud.ok("ModifyLoadBalancerListenerAttributes", loadbalancer_listener=listener, **changes)
    assert shop.get() == shop.server.machine
    shop.update()
    with pytest.raises(ssl.SSLCertVerificationError):
        shop.get()
    shop.certified = other
    assert shop.get() == shop.server.machine


def test_listener_serves_tls_in_the_next_process_too(tmp_path: Path) -> None:
    with serve_cloud(file=tmp_path / "cloud.db") as cloud:
        shop = open_shop(cloud)
        shop.listen("https", "http")
        (router,) = cloud.ok("DescribeRouters")["router_set"]
    with serve_cloud(file=tmp_path / "cloud.db") as shop.cloud:
        eventually(lambda: private_ip(shop.cloud, shop.server.machine))
        serve(shop.cloud, router["router_id"], shop.server)
        assert eventually(lambda: shop.get() != "503" and shop.get()) == shop.server.machine


def test_certificate_in_use_cannot_be_deleted(shop: Shop) -> None:
    listener = shop.listen("https", "http")
    body = {"server_certificates": [shop.certificate]}
    assert f"[{listener}]" in shop.cloud.call("DeleteServerCertificates", **body)["message"]
    shop.cloud.ok("DeleteLoadBalancerListeners", loadbalancer_listeners=[listener])
    assert f"[{listener}]" in shop.cloud.call("DeleteServerCertificates", **body)["message"]
    shop.update()
    shop.cloud.ok("DeleteServerCertificates", **body)


@pytest.mark.parametrize("certificates", ["", "sc-unknown"])
def test_listener_of_https_needs_a_certificate(cloud: CloudUnderTest, certificates: str) -> None:
    _, vxnet = make_vpc(cloud)
    item = {
        "listener_port": 443,
        "listener_protocol": "https",
        "backend_protocol": "https",
        "server_certificate_id": certificates,
    }
    body = {"loadbalancer": make_balancer(cloud, vxnet), "listeners": [item]}
    answer = cloud.call("AddLoadBalancerListeners", **body)
    assert answer["ret_code"] == (2100 if certificates else 1100)


def test_listener_of_https_keeps_exactly_one_certificate(shop: Shop) -> None:
    listener = shop.listen("https", "http")

    def change(*certificates: str) -> int:
        body = {"loadbalancer_listener": listener, "server_certificate_id": list(certificates)}
        return int(shop.cloud.call("ModifyLoadBalancerListenerAttributes", **body)["ret_code"])

    another = upload(shop.cloud, make_certificate())
    assert change(" ") == 1100  # terraform's way to remove it
    assert change(shop.certificate, another) == 1400  # several are not emulated
    assert change(another) == 0
    assert change("sc-unknown") == 2100
    (seen,) = shop.cloud.ok("DescribeLoadBalancerListeners", loadbalancer_listeners=[listener])[
        "loadbalancer_listener_set"
    ]
    assert seen["server_certificate_id"] == [another]
