"""Stores of backups: a folder, and a real server that speaks S3."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from clients.stores.folder import FolderStore
from clients.stores.s3 import Bucket, S3Store
from domain.backup.labels import NoBackup
from domain.backup.store import Store, StoreFull, StoreRefused
from domain.kernel.errors import TemporaryError

KEY = {"access_key_id": "KEY", "secret_access_key": "SECRET"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str) -> Iterator[str]:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="KEY",
        aws_secret_access_key="SECRET",
    )
    client.create_bucket(Bucket="backups")
    yield "backups"
    listed = client.list_objects_v2(Bucket="backups").get("Contents", ())
    for one in listed:
        client.delete_object(Bucket="backups", Key=one["Key"])
    client.delete_bucket(Bucket="backups")
    client.close()


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path / "backups")
    name, endpoint = request.getfixturevalue("bucket"), request.getfixturevalue("endpoint")
    return S3Store(Bucket(name, "clusters/", endpoint, **KEY))


def test_a_store_gives_back_what_was_put(store: Store, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"x" * 20_000_000)  # more than one part of an upload
    store.check()
    assert store.names() == []
    store.put("a.backup", source)
    store.write("a.json", b"{}")
    assert (store.names(), store.size("a.backup")) == (["a.backup", "a.json"], 20_000_000)
    store.fetch("a.backup", target)
    assert target.read_bytes() == source.read_bytes()
    assert store.read("a.json") == b"{}"
    store.delete("a.backup")
    store.delete("a.backup")
    assert store.names() == ["a.json"]


def test_what_a_store_does_not_have_is_no_backup(store: Store, tmp_path: Path) -> None:
    store.check()
    calls: list[Callable[[], Any]] = [
        lambda: store.read("b.json"),
        lambda: store.size("b.backup"),
        lambda: store.fetch("b.backup", tmp_path / "target"),
    ]
    for call in calls:
        with pytest.raises(NoBackup, match=r"has no b\."):
            call()


def test_a_missing_bucket_is_named_and_no_secret() -> None:
    with ThreadedMoto() as endpoint:
        store = S3Store(Bucket("nowhere", "", endpoint, **KEY))
        with pytest.raises(StoreRefused, match="no such bucket") as refused:
            store.check()
        assert "SECRET" not in str(refused.value) + repr(Bucket("b", **KEY))


def test_a_store_that_is_away_is_temporary() -> None:
    store = S3Store(Bucket("backups", "", "http://127.0.0.1:9", **KEY))
    with pytest.raises(TemporaryError, match=r"bucket backups at .* does not answer"):
        store.names()


class ThreadedMoto:
    """A server of its own, for one test."""

    def __enter__(self) -> str:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        return f"http://{host}:{port}"

    def __exit__(self, *_: object) -> None:
        self._server.stop()


@pytest.mark.parametrize(
    ("code", "status", "kind", "words"),
    [
        ("SignatureDoesNotMatch", 403, StoreRefused, "the secret is wrong"),
        ("InvalidAccessKeyId", 403, StoreRefused, "there is no such key"),
        ("AccessDenied", 403, StoreRefused, "the key may not do that"),
        ("XMinioStorageFull", 507, StoreFull, "is full"),
        ("QuotaExceeded", 403, StoreFull, "is full"),
        ("ServiceUnavailable", 503, TemporaryError, "does not answer"),
    ],
)
def test_a_refusal_of_the_store_is_one_sentence(
    code: str, status: int, kind: type[Exception], words: str, tmp_path: Path
) -> None:
    store = S3Store(Bucket("backups", "", "http://127.0.0.1:9", **KEY))
    reply = f"<Error><Code>{code}</Code><Message>SECRET</Message></Error>".encode()

    def answer(request: Any, **_: Any) -> Any:
        from botocore.awsrequest import AWSResponse

        raw = Raw(reply)
        return AWSResponse(request.url, status, {"content-type": "application/xml"}, raw)

    store._client.meta.events.register("before-send.s3", answer)
    source = tmp_path / "source"
    source.write_bytes(b"x")
    for call in (store.check, store.names, lambda: store.put("a.backup", source)):
        with pytest.raises(kind, match=words) as refused:
            call()
        assert "SECRET" not in str(refused.value)


class Raw:
    """The body of a reply, as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._content


def test_a_full_or_forbidden_folder_is_one_sentence_and_leaves_no_half(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises(StoreRefused, match=r"cannot be used"):
        FolderStore(file).check()
    folder = FolderStore(tmp_path / "backups")
    folder.check()

    class Full:
        def open(self, mode: str) -> Any:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreFull, match="is full"):
        folder.put("a.backup", Full())  # type: ignore[arg-type]
    assert list((tmp_path / "backups").iterdir()) == []
