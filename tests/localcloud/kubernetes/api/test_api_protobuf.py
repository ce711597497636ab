"""Bodies that kubectl sends as protobuf."""

import base64

import pytest

from localcloud.kubernetes.api.protobuf import decode
from localcloud.kubernetes.objects.failures import ApiFailure


def field(number, content):
    """One length-delimited protobuf field."""
    return bytes([number << 3 | 2, len(content)]) + content


def envelope(api_version, kind, raw):
    type_meta = field(1, api_version) + field(2, kind)
    return b"k8s\x00" + field(1, type_meta) + field(2, raw)


def test_protobuf_bodies_become_the_json_that_they_stand_for():
    entry = field(1, b"a") + field(2, b"\x00\xff")
    raw = field(1, field(1, b"keys") + field(2, b"") + field(8, b"")) + field(2, entry)
    raw += field(3, b"Opaque") + bytes([5 << 3, 0])  # immutable, a pointer: false counts
    assert decode(envelope(b"v1", b"Secret", raw)) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "keys"},
        "data": {"a": base64.b64encode(b"\x00\xff").decode()},
        "type": "Opaque",
        "immutable": False,
    }


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{}", 400),
        (b"k8s\x00\x0a\x7f", 400),
        (envelope(b"v1", b"ConfigMap", b"\x0a\x05ab"), 400),
        (envelope(b"batch/v1", b"Job", b""), 415),
    ],
    ids=["json", "cut", "cut inside", "unknown kind"],
)
def test_unreadable_protobuf_is_refused(content, status):
    with pytest.raises(ApiFailure) as caught:
        decode(content)
    assert caught.value.status == status
