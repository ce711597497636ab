"""The facts of a machine beside its files, kept over a halt and a restart of the daemon."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class State:
    """Facts that a real machine keeps in places which no script reads.

    Attributes:
        packages: installed packages, name to version.
        sources: package sources as of the last `update`.
        node: the node's record by kubeadm (see cluster.py), or None.
        control_plane: likewise for a master.
        runs: whether it is on; stays True when the daemon was killed.
    """

    packages: dict[str, str] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    enabled: list[str] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    node: dict[str, Any] | None = None
    control_plane: dict[str, Any] | None = None
    runs: bool = False

    @classmethod
    def load(cls, path: Path) -> "State":
        """Read the state; without a file it is that of a new machine."""
        return cls(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else cls()

    def save(self, path: Path) -> None:
        """Write the state in one step."""
        fresh = path.with_suffix(".fresh")
        fresh.write_text(json.dumps(asdict(self)), encoding="utf-8")
        fresh.replace(path)
