"""JSON is read as Go reads it, and refused with the real server's messages."""

import pytest

from localcloud.kubernetes.api import go_json


def test_documents_are_read():
    assert go_json.loads('{"名": [1, null]}'.encode()) == {"名": [1, None]}


@pytest.mark.parametrize(
    ("content", "read"),
    [
        (rb'"\ud800\uDFFF"', "\U000103ff"),
        (rb'{"a": "x\udc00", "\uD800": 1}', {"a": "x\ufffd", "\ufffd": 1}),
        (b'"a\xc7b"', "a\ufffdb"),
    ],
)
def test_invalid_unicode_becomes_a_replacement_character(content, read):
    assert go_json.loads(content) == read


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{bad", "invalid character 'b' looking for beginning of object key string"),
        (b"\xc7x", r"invalid character '\xc7' looking for beginning of value"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a": 1 "b"}', "invalid character '\"' after object key:value pair"),
        (b"{} {}", "invalid character '{' after top-level value"),
        (b'{"a": ', "unexpected end of JSON input"),
        (b"", "unexpected end of JSON input"),
        (b"[NaN]", "invalid character 'N' looking for beginning of value"),
        (b"Infinity", "invalid character 'I' looking for beginning of value"),
        (b"[-1e999]", "json: cannot unmarshal number -1e999 into Go value of type float64"),
        (b"-Infinity", "invalid character 'I' in numeric literal"),
    ],
)
def test_invalid_json_is_reported_as_go_reports_it(content, words):
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole message is compared
        go_json.loads(content)
    assert str(refused.value) == words
