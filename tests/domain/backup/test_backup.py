"""Backups: sealed, labelled, kept by count and age, and refused where they do not fit."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.backup.contents import (
    Damaged,
    Facts,
    check_snapshot,
    pack,
    unpack,
)
from domain.backup.drill import DrillReport, compare
from domain.backup.judging import NotThisBackup, check_fits
from domain.backup.keeping import choose_halves, choose_old
from domain.backup.labels import Label, NoBackup, parse_label, write_label
from domain.backup.sealing import CHUNK, MAGIC, WrongPassPhrase, seal, unseal
from domain.secrets.credentials import make_credentials

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
PHRASE = "correct horse battery"


def make_label(age_days: float = 0.5, **changes: object) -> Label:
    label = Label(
        cluster="demo",
        key="demo-1a2b3c4d",
        zone="pek3",
        made_at=NOON - timedelta(days=age_days),
        kubernetes="1.36.4",
        etcd="3.6.6",
        ca="ca-of-demo",
        revision=4711,
        keys=312,
    )
    return replace(label, **changes)  # type: ignore[arg-type]


def sealed(content: bytes, bound: bytes = b"label") -> bytes:
    target = io.BytesIO()
    seal(io.BytesIO(content), target, PHRASE, bound)
    return target.getvalue()


def unsealed(content: bytes, phrase: str = PHRASE, bound: bytes = b"label") -> bytes:
    target = io.BytesIO()
    unseal(io.BytesIO(content), target, phrase, bound)
    return target.getvalue()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_what_was_sealed_is_read_again(size: int) -> None:
    content = bytes(size)
    found = sealed(content)
    assert unsealed(found) == content
    assert size < 16 or content[:16] not in found[len(MAGIC) + 23 :]


def test_two_seals_of_one_file_have_nothing_in_common() -> None:
    assert sealed(b"secret")[len(MAGIC) :] != sealed(b"secret")[len(MAGIC) :]


BIG = sealed(bytes(2 * CHUNK + 5))
PART = CHUNK + 16
HEAD = len(MAGIC) + 23


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(BIG[:-1], id="the last byte is missing"),
        pytest.param(BIG[: HEAD + PART], id="the rest is missing"),
        pytest.param(BIG[:HEAD], id="everything is missing"),
        pytest.param(BIG[:-1] + bytes([BIG[-1] ^ 1]), id="a bit has changed"),
        pytest.param(
            BIG[:HEAD] + BIG[HEAD + PART : HEAD + 2 * PART] + BIG[HEAD : HEAD + PART]
            + BIG[HEAD + 2 * PART :],
            id="two parts have changed places",
        ),
        pytest.param(BIG + b"x", id="something was added"),
        pytest.param(b"PK" + BIG, id="another file"),
    ],
)  # fmt: skip
def test_a_changed_file_is_refused(changed: bytes) -> None:
    with pytest.raises(WrongPassPhrase):
        unsealed(changed)


def test_another_pass_phrase_and_another_label_are_refused() -> None:
    found = sealed(b"secret")
    for phrase, bound in (("another horse", b"label"), (PHRASE, b"other"), ("", b"label")):
        with pytest.raises(WrongPassPhrase, match="nothing was restored") as refused:
            unsealed(found, phrase, bound)
        assert PHRASE not in str(refused.value)
        assert refused.value.__cause__ is None


def test_a_short_pass_phrase_seals_nothing() -> None:
    with pytest.raises(WrongPassPhrase, match="fewer than 12"):
        seal(io.BytesIO(b""), io.BytesIO(), "short", b"")


def test_a_label_is_read_as_it_was_written() -> None:
    label = make_label(objects={"Deployment": 3}, size=10, sum="ab")
    assert parse_label(write_label(label), label.name) == label
    assert label.name == "demo-1a2b3c4d-20261102T000000Z"
    assert label.bound == replace(label, size=99, sum="").bound != make_label(2).bound


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(b"{", "damaged", id="cut off"),
        pytest.param(b"[]", "damaged", id="no mapping"),
        pytest.param(write_label(make_label())[:-20] + b"}", "damaged", id="changed"),
        pytest.param(write_label(make_label(format=2)), "later release", id="later"),
    ],
)
def test_a_damaged_label_is_no_backup(text: bytes, words: str) -> None:
    with pytest.raises(NoBackup, match=words):
        parse_label(text, "demo-1a2b3c4d-20261102T000000Z")


def kept(ages: Sequence[float], keep: int, days: int) -> list[float]:
    labels = [make_label(age) for age in ages]
    gone = choose_old(labels, keep, days, NOON)
    return [age for age, label in zip(ages, labels, strict=True) if label not in gone]


def test_backups_are_kept_by_count_and_age_and_the_newest_always() -> None:
    assert kept([1, 2, 3, 4], keep=2, days=30) == [1, 2]
    assert kept([1, 2, 40], keep=14, days=30) == [1, 2]
    assert kept([40, 41], keep=14, days=30) == [40]
    assert kept([3, 1, 2], keep=1, days=30) == [1]
    assert kept([], keep=1, days=1) == []


def test_a_half_written_backup_of_an_earlier_run_is_found() -> None:
    key = "demo-1a2b3c4d"
    names = [
        f"{key}-20261101T000000Z.backup",
        f"{key}-20261102T000000Z.backup",
        f"{key}-20261102T000000Z.json",
        f"{key}-20261104T000000Z.backup",
        "other-1a2b3c4d-20261101T000000Z.backup",
    ]
    assert choose_halves(names, key, f"{key}-20261103T000000Z") == (names[0],)


@pytest.mark.parametrize(
    ("label", "ca", "words"),
    [
        pytest.param(make_label(), "ca-of-other", "another cluster", id="foreign"),
        pytest.param(
            make_label(kubernetes="1.35.9"), "ca-of-demo", "Kubernetes 1.35.9", id="version"
        ),
        pytest.param(make_label(8), "ca-of-demo", "--max-days 9", id="old"),
    ],
)
def test_a_backup_that_does_not_fit_is_refused(label: Label, ca: str, words: str) -> None:
    with pytest.raises(NotThisBackup, match=words):
        check_fits(label, ca=ca, kubernetes="v1.36.4", now=NOON, most_days=7)


def test_a_backup_that_fits_is_not_refused() -> None:
    check_fits(
        make_label(kubernetes="1.36.9"), ca="ca-of-demo", kubernetes="1.36.4", now=NOON, most_days=7
    )
    check_fits(make_label(), ca=None, kubernetes="1.36.4", now=NOON, most_days=7)


def snapshot(folder: Path, content: bytes = b"x" * 1024) -> Path:
    file = folder / "etcd.db"
    file.write_bytes(content + hashlib.sha256(content).digest())
    return file


def make_facts() -> Facts:
    credentials = make_credentials("demo", NOON).with_pinned("i-1", "ssh-ed25519 AAAA")
    return Facts({"name": "demo"}, credentials, {"sa.key": "PEM"}, ("Namespace default",))


def test_contents_are_read_as_they_were_packed(tmp_path: Path) -> None:
    packed, target = io.BytesIO(), tmp_path / "restored.db"
    pack(packed, snapshot(tmp_path), make_facts())
    packed.seek(0)
    facts = unpack(packed, target)
    assert (facts.spec, facts.pki, facts.objects) == (
        {"name": "demo"},
        {"sa.key": "PEM"},
        ("Namespace default",),
    )
    assert facts.credentials.host_keys == {"i-1": "ssh-ed25519 AAAA"}
    assert target.read_bytes() == (tmp_path / "etcd.db").read_bytes()
    check_snapshot(target)


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100], ids=["empty", "another file"])
def test_damaged_contents_are_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="nothing was restored"):
        unpack(io.BytesIO(content), tmp_path / "etcd.db")


def test_a_drill_compares_names_without_those_of_machines() -> None:
    named = ("Namespace shop", "ConfigMap shop/cart", "ConfigMap kube-system/kube-proxy")
    assert compare(named, ["Namespace shop", "Namespace more"]) == ("ConfigMap shop/cart",)
    report = DrillReport("demo-1", 3, ("ConfigMap shop/cart",), 26.0)
    assert report.sentence == (
        "backup demo-1 restores 2 of its 3 objects; missing: ConfigMap shop/cart"
    )
    assert DrillReport("demo-1", 3, (), 26.0).sentence.endswith("all of its 3 objects")


def test_a_snapshot_with_a_wrong_sum_is_damaged(tmp_path: Path) -> None:
    file = snapshot(tmp_path)
    check_snapshot(file)
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    for changed in (bytes(content), bytes(content[:-32]), b""):
        file.write_bytes(changed)
        with pytest.raises(Damaged, match="its own sum"):
            check_snapshot(file)
