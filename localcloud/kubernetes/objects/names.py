"""Rules for names and keys; each returns errors with the real server's messages."""

import hashlib
import re
from collections.abc import Callable, Iterator
from functools import lru_cache

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Letters of generated names, as upstream: no vowels and no look-alikes, so that none is a word."""

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"

_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    f"for validation is '{_SUBDOMAIN}')"
)
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
    f"used for validation is '{_LABEL}')"
)
_QUALIFIED_TEXT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    f"validation is '{_QUALIFIED}')"
)
_PREFIX_TEXT = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
_LABEL_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    f"or '12345', regex used for validation is '({_QUALIFIED})?')"
)
_CONFIG_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
    "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
    f"'{_CONFIG_KEY}')"
)


def _remembered(rule: Callable[[str], Iterator[str]]) -> Callable[[str], tuple[str, ...]]:
    """Cache the results of a rule, because the pods of a cluster have the same few labels."""
    return lru_cache(maxsize=4096)(lambda text: tuple(rule(text)))


@_remembered
def label_name(name: str) -> Iterator[str]:
    """The rule for one part of a DNS name."""
    yield from _too_long(name, 63)
    if not re.fullmatch(_LABEL, name):
        yield "must not contain dots" if re.fullmatch(_SUBDOMAIN, name) else _LABEL_TEXT


@_remembered
def subdomain_name(name: str) -> Iterator[str]:
    """The rule for a DNS name."""
    yield from _too_long(name, 253)
    if not re.fullmatch(_SUBDOMAIN, name):
        yield _SUBDOMAIN_TEXT


@_remembered
def path_name(name: str) -> Iterator[str]:
    """The rule for a path segment."""
    if name in (".", ".."):
        yield f"may not be '{name}'"
    for sign in "/%":
        if sign in name:
            yield f"may not contain '{sign}'"


@_remembered
def label_key(key: str) -> Iterator[str]:
    """The rule for the keys of labels and annotations, and for finalizers."""
    prefix, slash, name = key.rpartition("/")
    if "/" in prefix:
        yield f"a valid label key {_QUALIFIED_TEXT}{_PREFIX_TEXT}"
        return
    if slash and not prefix:
        yield "prefix part must be non-empty"
    elif slash:
        yield from (f"prefix part {text}" for text in subdomain_name(prefix))
    if not name:
        yield "name part must be non-empty"
    elif len(name) > 63:
        yield "name part must be no more than 63 bytes"
    if not re.fullmatch(_QUALIFIED, name):
        yield f"name part {_QUALIFIED_TEXT}"


@_remembered
def label_value(value: str) -> Iterator[str]:
    """The rule for the values of labels."""
    if len(value) > 63:
        yield "must be no more than 63 bytes"
    if value and not re.fullmatch(_QUALIFIED, value):
        yield _LABEL_VALUE_TEXT


@_remembered
def config_key(key: str) -> Iterator[str]:
    """The rule for the keys in ConfigMaps and Secrets, which become names of files."""
    yield from _too_long(key, 253)
    if not re.fullmatch(_CONFIG_KEY, key):
        yield _CONFIG_KEY_TEXT
    if key in (".", ".."):
        yield f"must not be '{key}'"
    elif key.startswith(".."):
        yield "must not start with '..'"


def _too_long(name: str, longest: int) -> Iterator[str]:
    if len(name) > longest:
        yield f"must be no more than {longest} characters"


def attachment_name(driver: str, handle: str, node: str) -> str:
    """Return the name of the VolumeAttachment of a volume and a node, as Kubernetes makes it."""
    return f"csi-{hashlib.sha256(f'{handle}{driver}{node}'.encode()).hexdigest()}"
