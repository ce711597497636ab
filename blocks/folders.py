"""Folders for what must not outlive a run, such as a snapshot that is not sealed yet."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from blocks.settings import data_folder

LEFT_BEHIND = 24 * 3600.0
"""Seconds after which a folder is that of a run that was killed."""


@contextmanager
def private_folder(what: str) -> Iterator[Path]:
    """Make a folder that only this user can read, and delete it at the end.

    What killed runs have left is deleted with the next one.
    """
    root = data_folder() / "work"
    root.mkdir(mode=0o700, exist_ok=True)
    for folder in root.iterdir():
        if time.time() - folder.stat().st_mtime > LEFT_BEHIND:
            shutil.rmtree(folder, ignore_errors=True)
    with TemporaryDirectory(prefix=f"{what}-", dir=root) as made:
        yield Path(made)
