"""How a listener chooses its backend: by turn, by cookie, by health."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from localcloud.iaas.errors import Refusal
from localcloud.iaas.health import Health, HealthCheck, read_health_check
from localcloud.iaas.http_routing import Head
from localcloud.iaas.stickiness import read_stickiness
from tests.localcloud.iaas.cloud_under_test import CloudUnderTest, eventually
from tests.localcloud.iaas.network_under_test import make_balancer, make_eip, make_vpc, run_machines
from tests.localcloud.iaas.web_under_test import WebServer, serve

PORT = 8080


@dataclass
class Site:
    """A balancer with a public address, an HTTP listener, and two web servers behind it."""

    cloud: CloudUnderTest
    balancer: str
    listener: str
    address: str
    servers: tuple[WebServer, WebServer]

    def set(self, **changes: Any) -> None:
        self.cloud.ok(
            "ModifyLoadBalancerListenerAttributes", loadbalancer_listener=self.listener, **changes
        )
        self.cloud.done("UpdateLoadBalancers", loadbalancers=[self.balancer])

    @contextmanager
    def visit(self, cookie: str = "") -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection(self.address, PORT, timeout=60)
        connection.request("GET", "/", headers={"Cookie": cookie} if cookie else {})
        yield connection.getresponse()
        connection.close()

    def get(self, cookie: str = "") -> tuple[str, str]:
        """Return who answered, and the cookie that came with it."""
        with self.visit(cookie) as answer:
            set_cookie = answer.headers.get("Set-Cookie", "")
            return answer.read().decode(), set_cookie

    def statuses(self) -> list[str]:
        found = self.cloud.ok("DescribeLoadBalancerBackends", loadbalancer_listener=self.listener)
        return [one["status"] for one in found["loadbalancer_backend_set"]]


@pytest.fixture
def site(cloud: CloudUnderTest) -> Site:
    router, vxnet = make_vpc(cloud)
    first, second = (WebServer(machine) for machine in run_machines(cloud, vxnet, 2))
    for server in (first, second):
        serve(cloud, router, server)
    balancer, eip = make_balancer(cloud, vxnet), make_eip(cloud)
    cloud.done("AssociateEipsToLoadBalancer", loadbalancer=balancer, eips=[eip])
    item = {"listener_port": PORT, "listener_protocol": "http", "backend_protocol": "http"}
    (listener,) = cloud.ok("AddLoadBalancerListeners", loadbalancer=balancer, listeners=[item])[
        "loadbalancer_listeners"
    ]
    backends = [{"resource_id": one.machine, "port": 80} for one in (first, second)]
    cloud.ok("AddLoadBalancerBackends", loadbalancer_listener=listener, backends=backends)
    cloud.done("UpdateLoadBalancers", loadbalancers=[balancer])
    address = cloud.one("eip", eip)["eip_addr"]
    return Site(cloud, balancer, listener, address, (first, second))


def test_same_source_comes_to_the_same_backend(site: Site) -> None:
    assert len({site.get()[0] for _ in range(4)}) == 2
    site.set(balance_mode="source")
    assert len({site.get()[0] for _ in range(4)}) == 1


def test_backend_with_the_fewest_connections_for_its_weight_is_next(site: Site) -> None:
    found = site.cloud.ok("DescribeLoadBalancerBackends", loadbalancer_listener=site.listener)
    first, second = found["loadbalancer_backend_set"]
    site.cloud.ok(
        "ModifyLoadBalancerBackendAttributes",
        loadbalancer_backend=first["loadbalancer_backend_id"],
        weight=3,
    )
    site.set(balance_mode="leastconn")
    for server in site.servers:
        server.holds = True
    answers = []
    with ExitStack() as visits:
        held = []  # keeps the connections open
        for _ in range(4):
            held.append(visits.enter_context(site.visit()))
            answers.append(held[-1].read(10).decode())
    names = {"1": first["resource_id"], "2": second["resource_id"]}
    assert answers == [names[one] for one in "1211"]


def test_backends_with_equally_few_connections_take_turns(site: Site) -> None:
    site.set(balance_mode="leastconn")
    assert len({site.get()[0] for _ in range(4)}) == 2


def test_visitor_stays_with_the_backend_of_a_cookie_that_the_balancer_made(site: Site) -> None:
    site.set(session_sticky="insert|sk|3600")
    machine, cookie = site.get()
    name, _, value = cookie.split(";")[0].partition("=")
    assert (name, "Max-Age=3600" in cookie) == ("sk", True)
    assert {site.get(f"a=b; {name}={value}") for _ in range(3)} == {(machine, "")}
    heads = [head for server in site.servers for head in server.heads]
    assert not any("sk=" in head for head in heads)
    assert sum("Cookie: a=b\r\n" in head for head in heads) == 3


def test_visitor_stays_with_the_backend_whose_cookie_the_balancer_has_marked(site: Site) -> None:
    for server in site.servers:
        server.headers = "Set-Cookie: sk=mine; Path=/\r\n"
    site.set(session_sticky="prefix|sk")
    machine, cookie = site.get()
    marked = cookie.split(";")[0]
    assert marked.startswith("sk=lbb-")
    assert marked.endswith("~mine")
    assert {site.get(marked)[0] for _ in range(3)} == {machine}
    (server,) = (one for one in site.servers if one.machine == machine)
    assert "Cookie: sk=mine\r\n" in server.heads[-1]


def test_unmarked_cookie_is_forwarded_unchanged(site: Site) -> None:
    site.set(session_sticky="prefix|sk")
    machine, _ = site.get("sk=mine~2")
    (server,) = (one for one in site.servers if one.machine == machine)
    assert "Cookie: sk=mine~2\r\n" in server.heads[-1]


def test_cookie_of_a_backend_that_is_gone_leads_to_another(site: Site) -> None:
    site.set(session_sticky="insert|3600")
    machine, cookie = site.get()
    site.cloud.done("StopInstances", instances=[machine])
    eventually(lambda: "down" in site.statuses())
    other, renewed = site.get(cookie.split(";")[0])
    assert other != machine
    assert renewed


def test_backend_that_answers_with_an_error_gets_no_visitors(site: Site) -> None:
    unhealthy, healthy = site.servers
    unhealthy.status = "500 Internal Server Error"
    site.set(healthy_check_method="http|/health|vhost.example.com")
    eventually(lambda: site.statuses() == ["down", "up"])
    asked = eventually(lambda: [head for head in healthy.heads if "GET /health " in head])
    assert "Host: vhost.example.com\r\n" in asked[0]
    assert {site.get()[0] for _ in range(4)} == {healthy.machine}


def test_health_changes_after_so_many_answers_of_one_kind_and_at_once_with_the_first() -> None:
    check = HealthCheck("/", "", interval=2, timeout=5, fall=2, rise=3)
    health = Health()
    seen = []
    for answer in "-+--++-+++":
        health.note(answer == "+", check)
        seen.append(health.is_up)
    assert seen == [False] * 9 + [True]
    again = Health()
    for answer in "+-+--":
        again.note(answer == "+", check)
    assert not again.is_up


def test_unknown_balance_mode_is_refused(site: Site) -> None:
    answer = site.cloud.call(
        "ModifyLoadBalancerListenerAttributes",
        loadbalancer_listener=site.listener,
        balance_mode="random",
    )
    assert (answer["ret_code"], "[balance_mode]" in answer["message"]) == (1100, True)


@pytest.mark.parametrize(
    ("method", "option", "words"),
    [
        pytest.param("ping", "10|5|2|5", "should be", id="another way"),
        pytest.param("http|index.html", "10|5|2|5", "should be", id="a path without a root"),
        pytest.param("http|/a b", "10|5|2|5", "should be", id="a path with a blank"),
        pytest.param("http|/|a\r\nb", "10|5|2|5", "should be", id="a host of two lines"),
        pytest.param("tcp", "1|5|2|5", "interval 2-60", id="too often"),
        pytest.param("tcp", "10|5", "interval 2-60", id="too few numbers"),
    ],
)
def test_health_check_is_refused_for(method: str, option: str, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        read_health_check(method, option)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rewrite|sk", "not emulate"),
        ("backend|sk|3600", "not emulate"),
        ("insert|sk|soon", "should be"),
        ("prefix", "should be"),
        ("prefix|a=b", "should be"),
        ("stick", "should be"),
    ],
)
def test_session_sticky_is_refused_as(text: str, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        read_stickiness(text)


def test_answer_without_an_end_of_its_head_is_passed_on_as_it_is(site: Site) -> None:
    site.set(session_sticky="insert|3600")
    for server in site.servers:
        server.cuts = True
    with socket.create_connection((site.address, PORT), timeout=60) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.recv(1024) == b"HTTP/1.1 200"


def test_answer_that_only_says_to_go_on_is_left_alone() -> None:
    sticky = read_stickiness("insert|3600")
    assert sticky is not None
    head = Head(b"GET / HTTP/1.1", ((b"Cookie", b"a=b"),), "", "/")
    assert sticky.known(head) == ""
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert sticky.mark(interim, "lbb-1", "") == (interim, False)
