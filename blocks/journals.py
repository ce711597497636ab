"""Notes of a run on this machine that survive the process; see `domain.cloud.journal`."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from domain.kernel.errors import BadRequest
from domain.kernel.waiting import Clock


class FileJournal:
    """A journal in a small file, for one run at a time.

    It keeps readings of the clock that all processes since the last boot share. After a boot the
    clock begins anew, and a note counts as older than the boot.
    """

    def __init__(self, file: Path, clock: Clock) -> None:
        self._file, self._clock, self._lock = file, clock, Lock()

    def ages(self) -> Mapping[str, float]:
        now = self._clock.monotonic()
        sent = self._read().items()
        return {what: now - at if at <= now else now for what, at in sent}

    def begin(self, what: str) -> None:
        with self._lock:
            self._write({**self._read(), what: self._clock.monotonic()})

    def end(self, what: str) -> None:
        with self._lock:
            open_now = self._read()
            if open_now.pop(what, None) is not None:
                self._write(open_now)

    def _read(self) -> dict[str, float]:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):  # a file that was cut off by a full disk
            return {}
        return {what: at for what, at in kept.items() if isinstance(at, int | float)}

    def _write(self, open_now: Mapping[str, float]) -> None:
        if not open_now:
            self._file.unlink(missing_ok=True)
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps(open_now), encoding="utf-8")
            os.replace(new, self._file)
        except OSError as error:
            raise BadRequest(
                f"{self._file} cannot be written ({error.strerror}); make room, or name another "
                "folder with XDG_DATA_HOME"
            ) from error
