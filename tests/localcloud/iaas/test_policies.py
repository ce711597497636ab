"""Applied policies choose the backends of requests to HTTP listeners."""

import http.client
import socket
from dataclasses import dataclass
from typing import Any

import pytest

from tests.localcloud.iaas.cloud_under_test import CloudUnderTest, eventually
from tests.localcloud.iaas.network_under_test import make_balancer, make_eip, make_vpc, run_machines
from tests.localcloud.iaas.web_under_test import WebServer, serve

PORT = 80


@dataclass
class Site:
    """A balancer with a public address, an HTTP listener, and two machines behind it."""

    cloud: CloudUnderTest
    balancer: str
    listener: str
    address: str
    plain: WebServer
    special: WebServer
    policy: str

    def get(self, path: str = "/", host: str = "example.com", **headers: str) -> str:
        connection = http.client.HTTPConnection(self.address, 8080, timeout=60)
        connection.request("GET", path, headers={"Host": host} | headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return body if answer.status == 200 else str(answer.status)

    def add_rules(self, *rules: tuple[str, str]) -> list[str]:
        items = [{"rule_type": kind, "val": value} for kind, value in rules]
        added = self.cloud.ok(
            "AddLoadBalancerPolicyRules", loadbalancer_policy=self.policy, rules=items
        )
        return list(added["loadbalancer_policy_rules"])

    def apply(self) -> None:
        self.cloud.done("ApplyLoadBalancerPolicy", loadbalancer_policy=self.policy)

    def update(self) -> None:
        self.cloud.done("UpdateLoadBalancers", loadbalancers=[self.balancer])

    def read_policy(self) -> dict[str, Any]:
        (seen,) = self.cloud.ok(
            "DescribeLoadBalancerPolicies", loadbalancer_policies=[self.policy]
        )["loadbalancer_policy_set"]
        return dict(seen)


@pytest.fixture
def site(cloud: CloudUnderTest) -> Site:
    router, vxnet = make_vpc(cloud)
    servers = [WebServer(machine) for machine in run_machines(cloud, vxnet, 2)]
    for server in servers:
        serve(cloud, router, server)
    balancer, eip = make_balancer(cloud, vxnet), make_eip(cloud)
    cloud.done("AssociateEipsToLoadBalancer", loadbalancer=balancer, eips=[eip])
    listener = {"listener_port": 8080, "listener_protocol": "http", "backend_protocol": "http"}
    (listener_id,) = cloud.ok(
        "AddLoadBalancerListeners", loadbalancer=balancer, listeners=[listener | {"forwardfor": 3}]
    )["loadbalancer_listeners"]
    policy = cloud.ok("CreateLoadBalancerPolicy", loadbalancer_policy_name="special")
    policy_id = policy["loadbalancer_policy_id"]
    plain, special = servers
    backends: list[dict[str, Any]] = [
        {"resource_id": plain.machine, "port": PORT},
        {"resource_id": special.machine, "port": PORT, "loadbalancer_policy_id": policy_id},
    ]
    cloud.ok("AddLoadBalancerBackends", loadbalancer_listener=listener_id, backends=backends)
    made = Site(
        cloud,
        balancer,
        listener_id,
        cloud.one("eip", eip)["eip_addr"],
        plain,
        special,
        policy_id,
    )
    made.update()
    return made


def test_rules_decide_after_the_policy_is_applied(site: Site) -> None:
    site.add_rules(("url", "^/scripts"))
    assert site.read_policy()["is_applied"] == 0
    assert site.get("/scripts/a") == site.plain.machine
    site.apply()
    assert site.read_policy()["is_applied"] == 1
    assert site.get("/scripts/a") == site.special.machine
    assert site.get("/") == site.plain.machine


def test_rules_are_joined_by_or_unless_the_policy_has_and(site: Site) -> None:
    site.add_rules(("url", "^/scripts"), ("domain", "^special[.]"))
    site.apply()
    assert site.get("/", "special.example.com:8080") == site.special.machine
    site.cloud.ok(
        "ModifyLoadBalancerPolicyAttributes", loadbalancer_policy=site.policy, operator="and"
    )
    assert site.get("/", "special.example.com") == site.special.machine
    site.apply()
    assert site.get("/", "special.example.com") == site.plain.machine
    assert site.get("/scripts", "special.example.com") == site.special.machine


def test_changed_and_deleted_rules_stay_in_force_until_the_policy_is_applied(site: Site) -> None:
    first, second = site.add_rules(("url", "^/one"), ("url", "^/two"))
    site.apply()
    site.cloud.ok(
        "ModifyLoadBalancerPolicyRuleAttributes", loadbalancer_policy_rule=first, val="^/three"
    )
    site.cloud.ok("DeleteLoadBalancerPolicyRules", loadbalancer_policy_rules=[second])
    paths = ("/one", "/two", "/three")
    special, plain = site.special.machine, site.plain.machine
    assert [site.get(path) for path in paths] == [special, special, plain]
    site.apply()
    assert [site.get(path) for path in paths] == [plain, plain, special]
    (rule,) = site.cloud.ok("DescribeLoadBalancerPolicyRules", loadbalancer_policy=site.policy)[
        "loadbalancer_policy_rule_set"
    ]
    assert (rule["loadbalancer_policy_rule_id"], rule["rule_type"], rule["val"]) == (
        first,
        "url",
        "^/three",
    )


def test_policy_of_a_backend_is_in_force_after_the_balancer_is_updated(site: Site) -> None:
    site.add_rules(("url", "."))
    site.apply()
    (backend,) = [one["loadbalancer_backend_id"] for one in backends(site) if one["policy"]]
    site.cloud.ok(
        "ModifyLoadBalancerBackendAttributes",
        loadbalancer_backend=backend,
        loadbalancer_policy_id="",
    )
    assert {site.get() for _ in range(3)} == {site.special.machine}
    site.update()
    assert {site.get() for _ in range(3)} == {site.special.machine, site.plain.machine}


def backends(site: Site) -> list[dict[str, Any]]:
    found = site.cloud.ok("DescribeLoadBalancerBackends", loadbalancer_listener=site.listener)
    return [
        one | {"policy": one["loadbalancer_policy_id"]} for one in found["loadbalancer_backend_set"]
    ]


def test_policy_that_is_used_cannot_be_deleted(site: Site) -> None:
    site.add_rules(("url", "."))
    assert site.read_policy()["loadbalancer_ids"] == [site.balancer]
    delete = {"loadbalancer_policies": [site.policy]}
    refusal = site.cloud.call("DeleteLoadBalancerPolicies", **delete)
    assert (refusal["ret_code"], "is used by backend" in refusal["message"]) == (1400, True)
    site.cloud.ok("DeleteLoadBalancerListeners", loadbalancer_listeners=[site.listener])
    assert site.cloud.call("DeleteLoadBalancerPolicies", **delete)["ret_code"] == 1400
    site.update()
    site.cloud.ok("DeleteLoadBalancerPolicies", **delete)
    assert site.cloud.ok("DescribeLoadBalancerPolicyRules")["total_count"] == 0


def test_backend_gets_the_client_address_and_a_connection_close_header(site: Site) -> None:
    site.get("/page?x=1", Connection="keep-alive")
    (head,) = site.plain.heads
    assert head.startswith("GET /page?x=1 HTTP/1.1\r\n")
    assert "X-Forwarded-For: 127.0.0.1\r\n" in head
    assert f"QC-LBID: {site.balancer}\r\n" in head
    assert "QC-LBIP" not in head
    assert (head.count("Connection: close"), "keep-alive" in head) == (1, False)


def test_upgrade_request_is_forwarded_as_such(site: Site) -> None:
    site.get("/", Connection="Upgrade", Upgrade="websocket")
    (head,) = site.plain.heads
    assert ("Upgrade: websocket" in head, "Connection: upgrade" in head) == (True, True)


def test_request_without_a_matching_backend_is_answered_by_the_balancer(site: Site) -> None:
    site.cloud.done("StopInstances", instances=[site.plain.machine])
    assert site.get() == "503"


@pytest.mark.parametrize(
    "noise",
    [
        pytest.param(b"\x16\x03\x01\r\n\r\n", id="TLS"),
        pytest.param(b"GET / HTTP/1.1\r\nno header\r\n\r\n", id="a line without a colon"),
        pytest.param(b"GET / HTTP/1.1\r\nA: " + b"a" * 16_000 + b"\r\n\r\n", id="a long header"),
        pytest.param(b"GET / HTTP/1.1\r\nA: b", id="half a request"),
    ],
)
def test_invalid_request_is_refused_by_the_balancer(site: Site, noise: bytes) -> None:
    with socket.create_connection((site.address, 8080), timeout=60) as client:
        client.sendall(noise)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1024).startswith(b"HTTP/1.1 400 ")
    assert site.get() == site.plain.machine


def test_backend_is_up_once_it_is_in_force_and_answers(site: Site) -> None:
    assert [one["status"] for one in backends(site)] == ["up", "up"]
    site.cloud.done("StopInstances", instances=[site.special.machine])
    eventually(lambda: [one["status"] for one in backends(site)] == ["up", "down"])
    site.cloud.done("StopLoadBalancers", loadbalancers=[site.balancer])
    assert [one["status"] for one in backends(site)] == ["down", "down"]
    more = [{"resource_id": site.plain.machine, "port": 22}]
    site.cloud.ok("AddLoadBalancerBackends", loadbalancer_listener=site.listener, backends=more)
    site.cloud.done("StartLoadBalancers", loadbalancers=[site.balancer])
    eventually(lambda: [one["status"] for one in backends(site)] == ["up", "down", "down"])


def test_only_http_listeners_can_have_a_policy(site: Site) -> None:
    listener = {"listener_port": 9000, "listener_protocol": "tcp", "backend_protocol": "tcp"}
    (tcp,) = site.cloud.ok(
        "AddLoadBalancerListeners", loadbalancer=site.balancer, listeners=[listener]
    )["loadbalancer_listeners"]
    backend = {"resource_id": site.plain.machine, "port": 22, "loadbalancer_policy_id": site.policy}
    refusal = site.cloud.call(
        "AddLoadBalancerBackends", loadbalancer_listener=tcp, backends=[backend]
    )
    assert (refusal["ret_code"], "can not have a policy" in refusal["message"]) == (1400, True)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"rule_type": "colour", "val": "x"}, "[rules.1.rule_type]"),
        ({"rule_type": "url"}, "[rules.1.val]"),
        ({"rule_type": "url", "val": "("}, "not a regular expression"),
    ],
)
def test_rule_is_refused(site: Site, rule: dict[str, str], words: str) -> None:
    answer = site.cloud.call(
        "AddLoadBalancerPolicyRules", loadbalancer_policy=site.policy, rules=[rule]
    )
    assert (answer["ret_code"], words in answer["message"]) == (1100, True), answer
    assert site.read_policy()["is_applied"] == 1
