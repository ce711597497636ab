"""The SSH host key of a machine, as a pair of files."""

from pathlib import Path

import asyncssh

HOST_KEY = "etc/ssh/ssh_host_ed25519_key"


def ensure_host_key(disk: Path, comment: str) -> Path:
    """Return the file of the host key, created if missing, as the first start of sshd does."""
    file = disk / HOST_KEY
    if not file.exists():
        write_key(file, asyncssh.generate_private_key("ssh-ed25519", comment))
    return file


def write_key(path: Path, key: asyncssh.SSHKey) -> None:
    """Write both halves beside each other, the private one readable by its owner only."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(key.export_private_key())
    path.with_name(f"{path.name}.pub").write_bytes(key.export_public_key())
