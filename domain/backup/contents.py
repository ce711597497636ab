"""The contents of a backup before it is sealed: a tar of a few files with fixed names."""

import hashlib
import json
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from domain.kernel.errors import FinalError
from domain.secrets.credentials import Credentials, credentials_from

SNAPSHOT, FACTS = "etcd.db", "facts.json"

PKI = (
    "ca.crt",
    "ca.key",
    "sa.key",
    "sa.pub",
    "front-proxy-ca.crt",
    "front-proxy-ca.key",
    "etcd/ca.crt",
    "etcd/ca.key",
)
"""Files of /etc/kubernetes/pki that no tool can make again; all others follow from them."""

HASH = hashlib.sha256().digest_size


class Damaged(FinalError):
    """A file is not what it was; nothing was restored."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is kept beside the snapshot.

    Attributes:
        spec: the cluster's description, as it was stored.
        credentials: the cluster's block on the Prefect server.
        pki: files of `PKI` by their names.
        objects: names such as `Deployment default/web`, to compare a restored cluster with.
    """

    spec: Mapping[str, Any]
    credentials: Credentials
    pki: Mapping[str, str]
    objects: tuple[str, ...]


def pack(target: BinaryIO, snapshot: Path, facts: Facts) -> None:
    """Write the tar."""
    document = json.dumps(asdict(facts)).encode()
    with tarfile.open(fileobj=target, mode="w|") as tar:
        tar.add(snapshot, SNAPSHOT, filter=_plain)
        entry = tarfile.TarInfo(FACTS)
        entry.size, entry.mode = len(document), 0o600
        tar.addfile(entry, BytesIO(document))


def unpack(source: BinaryIO, snapshot: Path) -> Facts:
    """Read the tar, and write the snapshot to a file. Raises `Damaged`."""
    facts: Facts | None = None
    try:
        with tarfile.open(fileobj=source, mode="r|") as tar:
            for entry in tar:
                content = tar.extractfile(entry)
                if entry.name == SNAPSHOT and content:
                    with snapshot.open("wb") as file:
                        while chunk := content.read(1024 * 1024):
                            file.write(chunk)
                elif entry.name == FACTS and content:
                    facts = _facts(json.loads(content.read()))
    except (tarfile.TarError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"the backup is damaged: {error}; nothing was restored") from error
    if facts is None or not snapshot.exists():
        raise Damaged("the backup is not complete; nothing was restored")
    return facts


def check_snapshot(file: Path) -> None:
    """Check the SHA-256 that etcd puts behind a snapshot. Raises `Damaged`."""
    size = file.stat().st_size
    digest, left = hashlib.sha256(), size - HASH
    with file.open("rb") as content:
        while left > 0 and (chunk := content.read(min(left, 1024 * 1024))):
            digest.update(chunk)
            left -= len(chunk)
        if size % 512 != HASH or content.read() != digest.digest():
            raise Damaged("the snapshot of etcd is damaged: its own sum does not fit")


def sum_of(file: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _facts(document: Mapping[str, Any]) -> Facts:
    return Facts(
        dict(document["spec"]),
        credentials_from(document["credentials"]),
        dict(document["pki"]),
        tuple(document["objects"]),
    )


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mode, entry.uid, entry.gid, entry.uname, entry.gname = 0o600, 0, 0, "", ""
    return entry
