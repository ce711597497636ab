"""Fetching a file from a machine, in parts, so that its size does not matter."""

import base64
import hashlib
from typing import BinaryIO

from domain.kernel.errors import CommandFailed, TemporaryError
from domain.node.shell import Shell

PART = 8 * 1024 * 1024
"""Bytes of one part; the memory that a fetch takes follows from it."""

DEADLINE = 120.0
"""Seconds for one part."""

READ = 'set -o pipefail; tail -c "+$2" "${SYSROOT:-}$1" | head -c "$3" | base64 -w 0'


def fetch_file(shell: Shell, path: str, size: int, sha256: str, target: BinaryIO) -> None:
    """Fetch a file whose size and sum are known.

    Raises:
        TemporaryError: what arrived is not what is there, or the connection broke.
        CommandFailed: the file cannot be read.
    """
    digest = hashlib.sha256()
    for begin in range(0, size, PART):
        argv = ["bash", "-c", READ, "read", path, str(begin + 1), str(PART)]
        done = shell.run(argv, deadline=DEADLINE)
        # `head` ends before `tail` has written everything: that is no failure.
        if done.exit_code not in (0, 141):
            raise CommandFailed(f"{path}: {done.stderr.strip()}", exit_code=done.exit_code)
        part = base64.b64decode(done.stdout)
        digest.update(part)
        target.write(part)
    if digest.hexdigest() != sha256:
        raise TemporaryError(f"{path} has changed on its way: its sum is another one")
