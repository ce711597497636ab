"""The way to a master through a bastion, with the user's own ssh.

The program `ssh` makes it, so the user's configuration, keys, agent and known hosts decide about
the bastion. The connection inside is ours, with our key and the pinned host key of the machine.
"""

import select
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import paramiko

from domain.kernel.errors import FinalError, TemporaryError

CONFIG = Path("~/.ssh/config")


def find_bastion(wanted: str, address: str, config: Path = CONFIG) -> str:
    """The bastion for an address: the wanted one, else the user's `ProxyJump` for it.

    Returns: as ssh takes it, such as `me@bastion.example:22`; empty for a direct connection.
    """
    if wanted:
        return wanted
    try:
        found = paramiko.SSHConfig.from_path(str(config.expanduser())).lookup(address)
    except (OSError, UnicodeDecodeError, paramiko.SSHException, ImportError):
        return ""  # no such file, or more than paramiko understands, such as `Match exec`
    jump = str(found.get("proxyjump", ""))
    return "" if jump.lower() == "none" else jump


def open_through(bastion: str, address: str, port: int, timeout: float) -> socket.socket:
    """Connect to an address through a bastion.

    Raises:
        FinalError: the program `ssh` is missing.
        TemporaryError: the way was not opened within `timeout` seconds; the reason is ssh's own.
    """
    if shutil.which("ssh") is None:
        raise FinalError(f"{address} is reached through {bastion}, which needs the program ssh")
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            _command(bastion, address, port, timeout),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C ends the run in order, and this with it
        )
    said: list[str] = []
    reader = threading.Thread(target=_follow, args=(process, said), daemon=True)
    reader.start()
    # A server speaks first, so the first byte shows that the way is open.
    if not select.select([ours], [], [], timeout)[0]:
        process.terminate()
        said.append(f"no answer in {timeout:g} s")
    elif ours.recv(1, socket.MSG_PEEK):
        return ours
    ours.close()
    reader.join(5)
    why = said[-1] if said else "it has closed the connection"
    raise TemporaryError(f"{address}:{port} through the bastion {bastion}: {why}")


def _follow(process: subprocess.Popen[str], said: list[str]) -> None:
    """Keep what ssh says, and wait for its end."""
    with process:
        for line in process.stderr or ():
            said[:] = [*said, line.strip()][-5:]


def _command(bastion: str, address: str, port: int, timeout: float) -> list[str]:
    outer, _, last = bastion.rpartition(",")
    login, colon, at = last.rpartition(":")
    command = ["ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={max(1, round(timeout))}"]
    command += ["-J", outer] if outer else []
    command += ["-p", at] if colon else []
    return [*command, "-W", f"{address}:{port}", "--", login if colon else last]
