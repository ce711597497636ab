"""The second in which a command imports Prefect and what it needs."""

import gc
import sys
from threading import Timer

from words import translate

SILENT = 1.0
"""Seconds of imports after which a terminal says that something happens."""

_CLEAR = "\r\x1b[K"

_notes: list[Timer] = []


def start_imports() -> None:
    """Make imports quick, and a slow one visible, until `end_imports`.

    Imports make many objects and no garbage: looking for some takes a sixth of their time.
    """
    gc.disable()
    if sys.stderr.isatty() and not _notes:
        note = Timer(SILENT, sys.stderr.write, [translate("Starting …")])
        note.daemon = True
        _notes.append(note)
        note.start()


def end_imports() -> None:
    """Collect garbage again, and wipe the note away.

    What is imported stays: no later collection looks at it, which saves half a second.
    """
    gc.freeze()
    gc.enable()
    while _notes:
        note = _notes.pop()
        note.cancel()
        note.join()
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()
