"""Which certificates of a master are renewed, and which are refused by name."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.kernel.errors import CommandFailed, InvalidSpec
from domain.node.certificates import (
    Certificate,
    MasterCertificates,
    check_names,
    choose_renewed,
    describe_ends,
    read_certificates,
)
from domain.node.shell import Output

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
KNOWN = (
    Certificate("apiserver", "m", NOW + timedelta(days=44)),
    Certificate("admin.conf", "m", NOW + timedelta(days=46)),
    Certificate("kubelet", "m", NOW + timedelta(days=1)),
    Certificate("ca", "m", NOW + timedelta(days=20), is_authority=True),
)


class Machine:
    """A shell that answers with what kubeadm and openssl print."""

    def __init__(self, stdout: str, exit_code: int = 0) -> None:
        self._done = Output(stdout, "no such file", exit_code)

    def run(
        self,
        argv: Sequence[str],
        *,
        deadline: float,
        stdin: bytes = b"",
        on_line: Callable[[str], None] | None = None,
    ) -> Output:
        return self._done

    def write_file(self, path: str, content: bytes, mode: int) -> None: ...


def row(name: str, ends: str | None = "2027-11-30T13:00:00Z") -> dict[str, Any]:
    return {"name": name, "expirationDate": ends, "missing": ends is None}


def printed(*rows: dict[str, Any], rest: str = "notAfter=Nov 30 13:00:00 2027 GMT\n") -> str:
    document = {"certificates": rows, "certificateAuthorities": [row("ca")]}
    return json.dumps(document, indent=4) + "\n\n" + rest


def test_what_kubeadm_and_openssl_print_is_read() -> None:
    text = printed(row("apiserver"), row("super-admin.conf", None))
    held = read_certificates(Machine(text), "m")
    ends = datetime(2027, 11, 30, 13, tzinfo=UTC)
    assert held == MasterCertificates(
        "m",
        (
            Certificate("apiserver", "m", ends),
            Certificate("ca", "m", ends, is_authority=True),
            Certificate("kubelet", "m", ends),
        ),
    )
    assert read_certificates(Machine(text + "RENEWING\n"), "m").is_unfinished


def test_a_master_whose_certificates_cannot_be_read_is_named() -> None:
    with pytest.raises(CommandFailed, match=r"the certificates of m .*no such file"):
        read_certificates(Machine("", 1), "m")


@pytest.mark.parametrize(
    ("asked", "renewed"),
    [
        ((), {"apiserver"}),
        (("admin.conf",), {"admin.conf"}),
        (("all",), {"apiserver", "admin.conf"}),
    ],
)
def test_what_ends_soon_or_was_asked_for_is_renewed_and_never_an_authority(
    asked: tuple[str, ...], renewed: set[str]
) -> None:
    chosen = choose_renewed(MasterCertificates("m", KNOWN), NOW, asked)
    assert {one.name for one in chosen} == renewed


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ca", r"ca is an authority of the cluster and is not rotated.*ends on 2026-12-21"),
        ("kubelet", "renewed by the kubelet itself"),
        ("apisever", "no certificate 'apisever'; known are all, admin.conf, apiserver"),
    ],
)
def test_a_name_that_cannot_be_renewed_is_refused(name: str, sentence: str) -> None:
    check_names(["all", "apiserver"], KNOWN)
    with pytest.raises(InvalidSpec, match=sentence):
        check_names([name], KNOWN)


def test_those_that_end_within_a_month_are_named_with_a_remedy() -> None:
    assert list(describe_ends(KNOWN, NOW)) == [
        "4 certificates on the masters, the first ends in 1 days: kubelet on m",
        "kubelet on m ends in 1 days; look why its kubelet does not renew it: "
        "journalctl -u kubelet",
        "ca on m ends in 20 days, and is not renewed: create a second cluster and move",
    ]
    assert list(describe_ends((), NOW)) == []
    late = Certificate("apiserver", "m", NOW - timedelta(days=1))
    assert list(describe_ends([late], NOW))[1] == (
        "apiserver on m has ended; renew it with: python -m flows.maintain"
    )
