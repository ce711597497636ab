"""Requests signed and sent by hand, for what the vendor's client would never send."""

import http.client
import json
from datetime import UTC, datetime

from localcloud.clock import stamp
from localcloud.iaas.signature import sign
from tests.localcloud.iaas.cloud_under_test import KEY_ID, SECRET, CloudUnderTest


def signed(
    action: str, verb: str, path: str = "/iaas/", **parameters: str
) -> list[tuple[str, str]]:
    pairs = [
        ("action", action),
        ("zone", "local1"),
        ("access_key_id", KEY_ID),
        ("signature_method", parameters.pop("signature_method", "HmacSHA256")),
        ("signature_version", "1"),
        ("time_stamp", parameters.pop("time_stamp", stamp(datetime.now(UTC)))),
        *parameters.items(),
    ]
    return [*pairs, ("signature", sign(verb, path, pairs, SECRET))]


def exchange(
    cloud: CloudUnderTest,
    verb: str,
    target: str,
    body: bytes | None = None,
    *,
    chunked: bool = False,
) -> tuple[http.client.HTTPResponse, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=60)
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
    pieces = iter([body[:5000], body[5000:]]) if chunked and body else body
    connection.request(verb, target, body=pieces, headers=headers, encode_chunked=chunked)
    response = connection.getresponse()
    document = json.loads(response.read())
    connection.close()
    return response, document


def exchange_bytes(cloud: CloudUnderTest, target: str) -> tuple[int, bytes]:
    """Send a GET, and return status and body as they come."""
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=60)
    connection.request("GET", target)
    response = connection.getresponse()
    seen = response.status, response.read()
    connection.close()
    return seen
