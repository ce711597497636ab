"""A clock that all processes of one worker share, and in which waits take little real time."""

import mmap
import struct
import time
from pathlib import Path

LONGEST_NAP = 0.05
"""Real seconds of the longest sleep: the local cloud is real, and needs some of them to act."""

_AHEAD = struct.Struct("d")


class SharedClock:
    """Time that passes as it does, and faster while a run sleeps.

    The lead over real time is in a file, so it outlives a killed process, and the relay knows what
    time it is for the run.
    """

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(_AHEAD.pack(0.0))
        with file.open("r+b") as stream:
            self._lead = mmap.mmap(stream.fileno(), _AHEAD.size)

    def monotonic(self) -> float:
        (ahead,) = _AHEAD.unpack(self._lead[:])
        return time.monotonic() + float(ahead)

    def sleep(self, seconds: float, /) -> None:
        nap = min(seconds, LONGEST_NAP)
        time.sleep(nap)
        self.advance(seconds - nap)

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        (ahead,) = _AHEAD.unpack(self._lead[:])
        self._lead[:] = _AHEAD.pack(ahead + seconds)
