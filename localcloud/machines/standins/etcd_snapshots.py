"""Stand-ins for `etcdctl snapshot save` and `etcdutl snapshot`, as in etcd's container.

A snapshot is a copy of the member's file, so that it holds every object of the cluster, with its
SHA-256 behind it, as etcd writes it.
"""

import hashlib
import json
import sqlite3
import zlib
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import urlsplit

from localcloud.kubernetes.etcd import Member
from localcloud.kubernetes.persistence import PLANE, VERSION, restore
from localcloud.machines.standins.call import Arguments, Call, Failed, parse_args

_FOLDER = "/var/lib/etcd"  # the only one that etcd's container shares with its machine
_HASH = hashlib.sha256().digest_size
_SECTOR = 512


def save(call: Call, data: Path, name: str) -> str:
    """Copy a member's file. Returns: what etcdctl prints.

    Raises:
        Failed: the file is not in the shared folder, where the copy would be out of reach; or the
            real programs run the cluster, whose etcd this is not.
    """
    if not name.startswith(f"{_FOLDER}/") or not data.exists():
        raise call.unknown(f"snapshot save {name}")
    file = call.path(name)
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(data)) as source, closing(sqlite3.connect(part)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # whole in one file
    content = part.read_bytes()
    part.write_bytes(content + hashlib.sha256(content).digest())
    part.chmod(0o600)
    part.replace(file)
    return f"Snapshot saved at {name}\nServer version 3.6.0"


async def run_etcdutl(call: Call, words: list[str]) -> int:
    """Do what `etcdutl snapshot status` and `snapshot restore` do."""
    inner = replace(call, name="etcdutl", arguments=words)
    taken = parse_args(
        inner,
        flags=("--mark-compacted", "--skip-hash-check"),
        options=(
            "-w", "--write-out", "--data-dir", "--name", "--initial-cluster",
            "--initial-cluster-token", "--initial-advertise-peer-urls", "--bump-revision",
        ),
    )  # fmt: skip
    match taken.words:
        case ["snapshot", "status", name]:
            if taken.value("-w", "--write-out") != "json":
                raise inner.unknown("snapshot status without -w json")
            await call.out(json.dumps(_status(call.path(name))))
        case ["snapshot", "restore", name]:
            await _restore(inner, taken, call.path(name))
        case rest:
            raise inner.unknown(" ".join(rest))
    return 0


def _open(file: Path, *, check: bool = True) -> sqlite3.Connection:
    """Open the database of a snapshot. Raises `Failed` for a damaged one, in etcdutl's words."""
    if not file.is_file():
        raise Failed(f"Error: stat {file.name}: no such file or directory")
    content = file.read_bytes()
    if len(content) % _SECTOR == _HASH:
        content, wanted = content[:-_HASH], content[-_HASH:]
        found = hashlib.sha256(content).digest()
        if check and found != wanted:
            raise Failed(f"Error: expected sha256 {list(wanted)}, got {list(found)}")
    elif check:
        raise Failed(
            "Error: snapshot missing hash but --skip-hash-check=false"
            if content
            else "Error: snapshot file is empty"
        )
    database = sqlite3.connect(":memory:")
    try:
        database.deserialize(content)
        database.execute("SELECT count(*) FROM records").fetchone()
    except sqlite3.DatabaseError as error:
        database.close()
        raise Failed(
            "Error: snapshot file integrity check failed. It is no snapshot of the local cloud's "
            "emulated etcd, which reads none of a real one"
        ) from error
    return database


def _status(file: Path) -> dict[str, object]:
    with closing(_open(file)) as database:
        [keys] = database.execute("SELECT count(*) FROM records WHERE room LIKE '/%'").fetchone()
        revision = database.execute(
            "SELECT body FROM records WHERE room = ? AND key = ?", (PLANE, VERSION)
        ).fetchone()
    content = file.read_bytes()
    return {
        "hash": zlib.crc32(content),
        "revision": int(revision[0]) if revision else 0,
        "totalKey": keys,
        "totalSize": len(content) - _HASH,
        "version": "3.6.0",
    }


async def _restore(call: Call, taken: Arguments, file: Path) -> None:
    """Make the data of a member of a new etcd, which has the members that are named."""
    folder = taken.value("--data-dir", default="default.etcd")
    target = call.path(folder)
    if target.exists() and any(target.iterdir()):
        raise Failed(f'Error: data-dir "{folder}" not empty or could not be read')
    name, url = taken.value("--name"), taken.value("--initial-advertise-peer-urls")
    token = taken.value("--initial-cluster-token", default="etcd-cluster")
    members = [
        _member(token, *pair.split("=", 1))
        for pair in taken.value("--initial-cluster").split(",")
        if "=" in pair
    ]
    own = next((one for one in members if one.name == name), None)
    if own is None:
        raise Failed(
            f'Error: couldn\'t find local name "{name}" in the initial cluster configuration'
        )
    if own.peer_url != url:
        raise Failed(
            f"Error: --initial-cluster has {name}={own.peer_url} but missing from "
            f"--initial-advertise-peer-urls={url}"
        )
    cluster = _number(token, *sorted(one.peer_url for one in members))
    document = {"cluster": cluster, "members": [asdict(one) for one in members]}
    with closing(_open(file, check="--skip-hash-check" not in taken)) as source:
        restore(
            source,
            target / "member/snap/db",
            own.id,
            json.dumps(document).encode(),
            int(taken.value("--bump-revision", default="0")),
        )
    await call.err(f"restored snapshot to {folder}, member {own.id:x} of cluster {cluster:x}")


def _member(token: str, name: str, url: str) -> Member:
    address = urlsplit(url).hostname or ""
    return Member(_number(url, token), name, address, has_started=True)


def _number(*words: str) -> int:
    """An id of etcd, which follows from addresses and the token."""
    digest = hashlib.sha1("".join(words).encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big") >> 1 | 1 << 62
