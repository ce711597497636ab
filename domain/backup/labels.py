"""The label of a backup: what may be read of it without the pass phrase.

A backup is two files in a store: the sealed one, and its label, which is written last. So what has
a label is whole, and a half written one is none.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from domain.kernel.errors import FinalError

FORMAT = 1
"""Raised when an older release could not read a backup any more."""

SEALED, LABEL = ".backup", ".json"


class NoBackup(FinalError):
    """A store holds no such backup, or one that this release cannot read."""


@dataclass(frozen=True, slots=True)
class Label:
    """What is in a backup.

    Attributes:
        cluster, key: whose it is; the key has the account in it.
        made_at: when the snapshot was taken.
        kubernetes, etcd: versions, such as `1.36.4`.
        ca: the SHA-256 of the cluster's CA certificate, by which a cluster knows its own.
        revision, keys: of etcd, in the snapshot.
        objects: how many of each kind, for people.
        size, sum: bytes and SHA-256 of the sealed file.
    """

    cluster: str
    key: str
    zone: str
    made_at: datetime
    kubernetes: str
    etcd: str
    ca: str
    revision: int
    keys: int
    objects: Mapping[str, int] = field(default_factory=dict)
    size: int = 0
    sum: str = ""
    format: int = FORMAT

    @property
    def name(self) -> str:
        """The name of both files, without their ending; names sort by time."""
        return f"{self.key}-{self.made_at:%Y%m%dT%H%M%SZ}"

    @property
    def bound(self) -> bytes:
        """What the seal is bound to: everything but the sealed file's own size and sum."""
        return write_label(replace(self, size=0, sum=""))


def write_label(label: Label) -> bytes:
    document = asdict(label) | {"made_at": label.made_at.isoformat()}
    return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"


def parse_label(text: bytes, name: str) -> Label:
    """Read a label. Raises `NoBackup` for one that is damaged, or of a later release."""
    try:
        document: dict[str, Any] = json.loads(text)
        if document["format"] > FORMAT:
            raise NoBackup(
                f"backup {name} is of a later release (format {document['format']}; this one reads "
                f"{FORMAT}); use that release"
            )
        return Label(**document | {"made_at": datetime.fromisoformat(document["made_at"])})
    except (ValueError, TypeError, KeyError) as error:
        raise NoBackup(f"the label {name}{LABEL} is damaged: {error}") from error
