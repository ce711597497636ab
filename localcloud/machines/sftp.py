"""A machine's files over SFTP: its disk is the root, and links cannot leave it."""

import posixpath
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh

from localcloud.machines.disk import OutsideDisk, inside


class DiskFiles(asyncssh.SFTPServer):
    """SFTP on one disk; a relative path starts in the user's home, as with sshd."""

    def __init__(self, channel: "asyncssh.SSHServerChannel[bytes]", disk: Path, home: str) -> None:
        super().__init__(channel, chroot=str(disk).encode())
        self._disk = disk
        self._home = home

    def map_path(self, path: bytes) -> bytes:
        """Map a path to the host; the last part may be a link, which some calls read."""
        name = posixpath.normpath(posixpath.join(self._home, path.decode()))
        folder, last = posixpath.split(name)
        try:
            return str(inside(self._disk, folder) / last).encode()
        except OutsideDisk as error:
            raise asyncssh.SFTPPermissionDenied(str(error)) from error

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        """Open a file; unlike other calls, this follows a link in the last part."""
        self._check(path)
        return super().open(path, pflags, attrs)

    def open56(
        self, path: bytes, desired_access: int, flags: int, attrs: asyncssh.SFTPAttrs
    ) -> Any:
        self._check(path)
        return super().open56(path, desired_access, flags, attrs)

    def stat(self, path: bytes) -> Any:
        """Return the attributes of a path, following links."""
        self._check(path)
        return super().stat(path)

    def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """List a folder, also through a link."""
        self._check(path)
        return super().scandir(path)

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> Any:
        """Set mode and times; owners are ignored."""
        self._check(path)
        attrs.uid = attrs.gid = attrs.owner = attrs.group = None
        return super().setstat(path, attrs)

    def _check(self, path: bytes) -> None:
        try:
            inside(self._disk, self.map_path(path).decode())
        except OutsideDisk as error:
            raise asyncssh.SFTPPermissionDenied(str(error)) from error
