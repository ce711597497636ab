"""Stand-ins for `etcdctl snapshot save` and `etcdutl snapshot status`, as in etcd's container.

A snapshot is a copy of the member's file, so that it holds every object of the cluster.
"""

import json
import sqlite3
import zlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from localcloud.machines.standins.call import Call, Failed, parse_args

_FOLDER = "/var/lib/etcd"  # the only one that etcd's container shares with its machine


def save(call: Call, data: Path, name: str) -> str:
    """Copy a member's file. Returns: what etcdctl prints.

    Raises:
        Failed: the file is not in the shared folder, where the copy would be out of reach.
    """
    if not name.startswith(f"{_FOLDER}/"):
        raise call.unknown(f"snapshot save {name}")
    file = call.path(name)
    file.unlink(missing_ok=True)
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(data)) as source, closing(sqlite3.connect(part)) as target:
        source.backup(target)
    part.chmod(0o600)
    part.replace(file)
    return f"Snapshot saved at {name}\nServer version 3.6.0"


async def run_etcdutl(call: Call, words: list[str]) -> int:
    """Do what `etcdutl snapshot status FILE` does."""
    inner = replace(call, name="etcdutl", arguments=words)
    taken = parse_args(inner, options=("-w", "--write-out"))
    match taken.words:
        case ["snapshot", "status", name]:
            status = _status(call.path(name))
        case rest:
            raise inner.unknown(" ".join(rest))
    if taken.value("-w", "--write-out") != "json":
        raise inner.unknown("snapshot status without -w json")
    await call.out(json.dumps(status))
    return 0


def _status(file: Path) -> dict[str, object]:
    if not file.is_file():
        raise Failed(f"Error: stat {file.name}: no such file or directory")
    content = file.read_bytes()
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            [keys] = database.execute(
                "SELECT count(*) FROM records WHERE room LIKE '/%'"
            ).fetchone()
    except sqlite3.DatabaseError as error:
        raise Failed("Error: snapshot file integrity check failed. invalid database") from error
    return {
        "hash": zlib.crc32(content),
        "revision": keys,
        "totalKey": keys,
        "totalSize": len(content),
        "version": "3.6.0",
    }
