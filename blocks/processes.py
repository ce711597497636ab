"""Processes of this machine, by which a run proves that another one has ended."""

import os
from pathlib import Path

PROC = Path("/proc")


def process_table() -> str:
    """Identify this machine's table of processes since its start, or return an empty text.

    Two containers of one machine have different tables.
    """
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot} {(PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def process_start(process: int) -> str:
    """When a process started, in clock ticks of its machine; empty for one that does not run."""
    try:
        # The second field, a name in brackets, may hold anything.
        text = (PROC / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
        status = text.rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if status[0] in ("Z", "X") else status[19]


def has_ended(process: int, table: str, start: str) -> bool:
    """Whether a process provably does not run any more; False for one of another table.

    Args:
        start: as `process_start` gave it: a number is given to a new process again.
    """
    if not (table and start) or table != process_table():
        return False
    return process_start(process) != start


def this_process() -> tuple[int, str, str]:
    """The number of this process, its table, and its start."""
    return os.getpid(), process_table(), process_start(os.getpid())
