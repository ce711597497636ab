"""Connections: private sockets, foreign certificates, discovery forms, old watches."""

import asyncio
import json
import socket
import ssl

import pytest

from localcloud.kubernetes.access.users import MASTERS
from localcloud.kubernetes.api.wire import user_of

DISCOVERY = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"


def client_context(authority, tmp_path, pair=None):
    ca = tmp_path / "ca.crt"
    ca.write_bytes(authority.pair.certificate)
    context = ssl.create_default_context(cafile=str(ca))
    if pair:
        chain = tmp_path / "client.pem"
        chain.write_bytes(pair.key + pair.certificate)
        context.load_cert_chain(chain)
    return context


async def fetch(plane, context, path, *headers):
    """Send one GET over a socket pair; return the status line, the headers and the body."""
    ours, theirs = socket.socketpair()
    plane.accept(theirs, "192.168.0.9")
    reader, writer = await asyncio.open_connection(
        sock=ours, ssl=context, server_hostname="127.0.0.1"
    )
    lines = [f"GET {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
    writer.write("\r\n".join(lines).encode())
    async with asyncio.timeout(60):
        content = await reader.read()
    writer.close()
    head, _, body = content.partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    pairs = (field.split(": ", 1) for field in fields)
    return status, {name.lower(): value for name, value in pairs}, body


def run(make_plane, scenario):
    async def whole():
        plane = make_plane()
        await plane.start()
        try:
            return await scenario(plane)
        finally:
            await plane.stop()

    return asyncio.run(whole())


def test_a_private_socket_is_served_with_its_certificate(make_plane, authority, tmp_path):
    context = client_context(authority, tmp_path, authority.issue("jane", "system:masters"))

    async def scenario(plane):
        return await fetch(plane, context, "/api/v1/nodes")

    status, headers, body = run(make_plane, scenario)
    assert status == "HTTP/1.1 200 OK"
    assert headers["content-type"] == "application/json"
    assert json.loads(body)["items"] == []


def test_a_certificate_of_another_ca_gets_no_answer(make_plane, authority, tmp_path):
    foreign = type(authority)().issue("jane", "system:masters")
    context = client_context(authority, tmp_path, foreign)

    async def scenario(plane):
        try:
            return await fetch(plane, context, "/api/v1/nodes")
        except (ssl.SSLError, ConnectionError):
            return "", {}, b""  # with TLS 1.3 the refusal may come with the first read

    assert run(make_plane, scenario) == ("", {}, b"")


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
def test_discovery_answers_in_the_form_that_was_asked_for(make_plane, authority, tmp_path, version):
    context = client_context(authority, tmp_path, authority.issue("jane"))
    accept = f"Accept: {DISCOVERY.format(version)},application/json"

    async def scenario(plane):
        first = await fetch(plane, context, "/apis", accept)
        again = await fetch(plane, context, "/apis", accept, f"If-None-Match: {first[1]['etag']}")
        return first, again

    first, again = run(make_plane, scenario)
    assert f"v={version};" in first[1]["content-type"]
    assert json.loads(first[2])["apiVersion"] == f"apidiscovery.k8s.io/{version}"
    assert again[0].split()[1] == "304"


def test_drain_finds_the_eviction_subresource_in_plain_discovery(make_plane, authority, tmp_path):
    context = client_context(authority, tmp_path, authority.issue("jane"))

    async def scenario(plane):
        return await fetch(plane, context, "/api/v1")

    resources = json.loads(run(make_plane, scenario)[2])["resources"]
    eviction = next(entry for entry in resources if entry["name"] == "pods/eviction")
    assert (eviction["group"], eviction["version"], eviction["kind"]) == (
        "policy",
        "v1",
        "Eviction",
    )


def test_a_watch_from_a_dropped_version_gets_an_error_event(make_plane, authority, tmp_path):
    context = client_context(authority, tmp_path, authority.issue("jane", "system:masters"))

    async def scenario(plane):
        client = plane.client(MASTERS)
        path = "/api/v1/namespaces/default/configmaps"
        await client.request("POST", path, body={"metadata": {"name": "busy"}})
        for number in range(4100):
            body = {"data": {"n": str(number)}}
            await client.request(
                "PATCH", f"{path}/busy", body=body, content_type="application/merge-patch+json"
            )
        return await fetch(plane, context, f"{path}?watch=true&resourceVersion=1")

    status, _, body = run(make_plane, scenario)
    assert status == "HTTP/1.1 200 OK"
    assert b'"type":"ERROR"' in body
    assert b'"code":410' in body


def test_stopping_ends_watches(make_plane, authority, tmp_path):
    context = client_context(authority, tmp_path, authority.issue("jane", "system:masters"))

    async def scenario(plane):
        watching = asyncio.ensure_future(fetch(plane, context, "/api/v1/pods?watch=true"))
        await fetch(plane, context, "/healthz")
        await plane.stop()
        return await asyncio.wait_for(asyncio.gather(watching, return_exceptions=True), timeout=60)

    assert len(run(make_plane, scenario)) == 1


def test_names_in_certificates_are_users_and_groups():
    subject = (
        (("organizationName", "a"),),
        (("organizationName", "b"),),
        (("commonName", "jane"),),
    )
    user = user_of({"subject": subject}, b"")
    assert user is not None
    assert (user.name, user.groups) == ("jane", ("a", "b", "system:authenticated"))
    assert user_of({"subject": ()}, b"") is None
