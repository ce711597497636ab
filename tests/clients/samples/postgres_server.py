"""A PostgreSQL server of the tests' own: a temporary folder, a Unix socket, no network."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDERS = ("/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt")


def find_programs() -> Path | None:
    """The newest folder with initdb and pg_ctl, None where PostgreSQL is not installed."""
    found = [path.parent for folder in FOLDERS for path in Path(folder).glob("*/bin/initdb")] or [
        Path(program).resolve().parent for program in (shutil.which("initdb"),) if program
    ]
    usable = [folder for folder in found if (folder / "pg_ctl").exists()]
    return max(usable, default=None)


def servant() -> str | None:
    """The user that the server runs as: PostgreSQL refuses root. None: this process's user."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


@contextmanager
def running(programs: Path, folder: Path) -> Iterator[str]:
    """Start a server in a folder; yields the URL of its database."""
    user = servant()
    data, log = folder / "data", folder / "log"
    if user:
        shutil.chown(folder, user)
    # Nothing is kept, so nothing need reach the disk.
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"

    def run(program: str, *words: str) -> None:
        subprocess.run(
            [str(programs / program), *words],
            user=user,
            cwd=folder,
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            timeout=60,
        )

    run("initdb", "-D", str(data), "-U", "tests", "-A", "trust", "-N", "-E", "UTF8")
    run("pg_ctl", "-D", str(data), "-w", "-l", str(log), "-o", options, "start")
    try:
        yield f"postgresql+psycopg://tests@/postgres?host={folder}"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
