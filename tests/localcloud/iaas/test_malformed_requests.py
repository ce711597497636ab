"""Every malformed request is refused with a reason, and the cloud keeps working."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from localcloud.iaas.actions import ACTIONS
from tests.localcloud.iaas.cloud_under_test import IMAGE, CloudUnderTest, serve_cloud
from tests.localcloud.iaas.network_under_test import (
    Network,
    forward,
    listen,
    make_balancer,
    make_keypair,
    make_network,
    run_machines,
)
from tests.localcloud.iaas.requests_by_hand import exchange, exchange_bytes, signed

NAMES = """
attachment_content bandwidth billing_mode count cpu disabled eip encrypt_method hostname image_id
instance instance_name instance_type ip_network job_action keypair keypair_name loadbalancer
loadbalancer_backend loadbalancer_listener loadbalancer_type login_keypair login_mode memory mode
nic nic_name node_count os_disk_size port priority private_ip protocol public_key resource router
router_static router_type search_word security_group security_group_name security_group_rule size
static_type step tag tag_name timeout userdata_type userdata_value val1 val2 val3 volume
volume_type vpc_network vxnet vxnet_name vxnet_type weight
"""
LISTS = """
eips images instance_types instances jobs keypairs loadbalancer_backends loadbalancer_listeners
loadbalancers meters nics private_ips resource_types resources router_statics routers
security_group_rules security_groups status tags volumes vxnets zones
"""
ITEMS = {
    "backends": ("resource_id", "port", "weight"),
    "listeners": ("listener_port", "listener_protocol", "healthy_check_option", "timeout"),
    "resource_meters_pairs": ("resource", "meters"),
    "resource_tag_pairs": ("tag_id", "resource_type", "resource_id"),
    "rules": ("protocol", "priority", "action", "direction", "val1", "val2", "val3"),
    "statics": ("static_type", "val1", "val2", "val3", "val4"),
}
GARBAGE = (
    "x",
    "-1",
    "0",
    "²",
    "1e3",
    "999999999999",
    "[]",
    "None",
    "\x00",
    "北京",
    "a|b|c",
    "1|²|3|4",
    "%n'\"",
)
TIMES = {"start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-02T00:00:00Z"}
KNOWN_CODES = {0, 1100, 1400, 2100, 2110, 2500}


@dataclass(frozen=True)
class Town:
    cloud: CloudUnderTest
    network: Network
    ids: dict[str, str]


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    """A cloud with one thing of each kind."""
    with serve_cloud() as cloud:
        network = make_network(cloud, 8080)
        keypair = make_keypair(cloud)
        (machine,) = run_machines(cloud, network.vxnet, login_keypair=keypair)
        balancer = make_balancer(cloud, network.vxnet)
        ids = {
            "router": network.router,
            "vxnet": network.vxnet,
            "eip": network.eip,
            "security_group": network.group,
            "keypair": keypair,
            "instance": machine,
            "loadbalancer": balancer,
            "loadbalancer_listener": listen(cloud, balancer, 8080, [machine]),
            "router_static": forward(cloud, network, 8080, "192.168.1.3", 8080),
            "tag": cloud.ok("CreateTag", tag_name="t")["tag_id"],
            "volume": cloud.done("CreateVolumes", size=10)["volumes"][0],
            "nic": cloud.ok("CreateNics", vxnet=network.vxnet)["nics"][0]["nic_id"],
        }
        yield Town(cloud, network, ids)


def everything(value: Any) -> dict[str, Any]:
    """Fill every parameter of every action with one value."""
    body: dict[str, Any] = dict.fromkeys(NAMES.split(), value)
    body |= {name: [value] for name in LISTS.split() if name not in body}
    body |= {name: [dict.fromkeys(keys, value)] for name, keys in ITEMS.items()}
    return body | TIMES


@pytest.mark.parametrize("value", GARBAGE)
def test_no_value_breaks_an_action(town: Town, value: str) -> None:
    for action in ACTIONS:
        answer = town.cloud.call(action, **everything(value))
        assert answer["ret_code"] in KNOWN_CODES, (action, answer)
        assert answer["ret_code"] == 0 or answer["message"], action


@pytest.mark.parametrize("value", GARBAGE)
def test_no_value_beside_ids_that_fit_breaks_an_action(town: Town, value: str) -> None:
    ids: dict[str, Any] = dict(town.ids)
    ids |= {f"{noun}s": [one] for noun, one in town.ids.items()}
    ids |= {"login_mode": "keypair", "login_keypair": town.ids["keypair"], "image_id": IMAGE}
    for action in ACTIONS:
        if not action.startswith(("Delete", "Release", "Terminate", "Cease", "Leave", "Remove")):
            answer = town.cloud.call(action, **(everything(value) | ids))
            assert answer["ret_code"] in KNOWN_CODES, (action, answer)


@pytest.mark.parametrize("kind", ["router", "instance", "tag", "nic", "loadbalancer_listener"])
def test_id_of_another_kind_is_not_found(town: Town, kind: str) -> None:
    wrong = town.ids[kind]
    for noun, parameter in {
        "router": "UpdateRouters routers",
        "vxnet": "DeleteVxnets vxnets",
        "eip": "ReleaseEips eips",
        "security_group": "DeleteSecurityGroups security_groups",
        "keypair": "DeleteKeyPairs keypairs",
        "instance": "StopInstances instances",
        "loadbalancer": "UpdateLoadBalancers loadbalancers",
        "loadbalancer_listener": "DeleteLoadBalancerListeners loadbalancer_listeners",
        "router_static": "DeleteRouterStatics router_statics",
        "tag": "DeleteTags tags",
        "volume": "DeleteVolumes volumes",
        "nic": "DeleteNics nics",
    }.items():
        action, name = parameter.split()
        if noun != kind:
            answer = town.cloud.call(action, **{name: [wrong]})
            assert answer["ret_code"] == 2100, (action, answer)
            assert f"[{wrong}]" in answer["message"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param({"limit": "many"}, "[limit] should be an integer", id="limit of letters"),
        pytest.param({"limit": "1_0"}, "[limit] should be an integer", id="limit with a bar"),
        pytest.param({"offset": -1}, "[offset] should be from 0", id="offset below 0"),
        pytest.param({"verbose": 7}, "[verbose] should be from 0 to 1", id="flag of 7"),
    ],
)
def test_ill_typed_parameter_is_named(town: Town, body: dict[str, Any], words: str) -> None:
    answer = town.cloud.call("DescribeInstances", **body)
    assert answer["ret_code"] == 1100
    assert words in answer["message"]


def is_alive(cloud: CloudUnderTest) -> bool:
    return bool(cloud.call("DescribeZones")["ret_code"] == 0)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"action": "DescribeZones"}', id="JSON"),
        pytest.param(bytes(range(256)) * 10, id="bytes"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"&&==&=&%zz%", id="separators"),
    ],
)
def test_body_of_the_wrong_type_is_refused(town: Town, body: bytes) -> None:
    response, answer = exchange(town.cloud, "POST", "/iaas/", body)
    assert response.status == 200
    assert answer["ret_code"] == 1100
    assert is_alive(town.cloud)


def test_body_with_far_too_many_parameters_is_refused(town: Town) -> None:
    body = b"&".join(b"a.%d=1" % number for number in range(20_000))
    response, answer = exchange(town.cloud, "POST", "/iaas/", body)
    assert (response.status, answer["ret_code"]) == (200, 1100)
    assert is_alive(town.cloud)


def test_body_that_is_far_too_long_is_refused(town: Town) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", town.cloud.port, timeout=60)
    with suppress(OSError):
        connection.request("POST", "/iaas/", body=b"a=" + b"b" * (9 * 1024 * 1024))
        assert connection.getresponse().status == 413
    connection.close()
    assert is_alive(town.cloud)


@pytest.mark.parametrize(
    "half",
    [
        pytest.param(b"GET /iaas/?act", id="request line"),
        pytest.param(b"POST /iaas/ HTTP/1.1\r\nHost: a\r\n", id="headers"),
        pytest.param(b"POST /iaas/ HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\na=", id="body"),
        pytest.param(
            b"POST /iaas/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            id="chunk",
        ),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00", id="TLS"),
    ],
)
def test_half_a_request_affects_no_other_request(town: Town, half: bytes) -> None:
    with socket.create_connection(("127.0.0.1", town.cloud.port), timeout=60) as connection:
        connection.sendall(half)
        connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while connection.recv(1024):
                pass
    assert is_alive(town.cloud)


def test_other_methods_are_not_found(town: Town) -> None:
    for verb in ("PUT", "DELETE", "PATCH"):
        assert exchange(town.cloud, verb, "/iaas/")[0].status == 404


def test_repeated_and_nested_names_are_accepted(town: Town) -> None:
    pairs = signed("DescribeInstances", "GET", **{"instances.1.2.3": "x", "instances.-1": "y"})
    status, body = exchange_bytes(town.cloud, f"/iaas/?{urlencode(pairs)}")
    assert status == 200
    assert b'"ret_code": 0' in body
