"""A guard that restricts a thread, and its child processes, to writes in one folder.

Landlock is part of Linux since 5.13 and needs no privileges. It restricts the calling thread
permanently, so a command is started from a thread of its own, which ends with it.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all architectures
_PR_SET_NO_NEW_PRIVS = 38
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1

_WRITE_FILE = 1 << 1
_FIRST_WRITES = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))  # remove and make, all kinds
_REFER = 1 << 13  # since version 2
_TRUNCATE = 1 << 14  # since version 3

_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty")

_libc = ctypes.CDLL(None, use_errno=True)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def find_version() -> int:
    """Return the kernel's Landlock version; 0 where it has none or it is switched off."""
    if not hasattr(_libc, "syscall"):
        return 0
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)))


class WriteGuard:
    """Allows writes below one folder, and to the devices that every script writes to.

    Raises:
        OSError: the kernel refuses; ask `find_version` before.
    """

    def __init__(self, folder: Path) -> None:
        version = find_version()
        self._writes = _FIRST_WRITES
        if version >= 2:
            self._writes |= _REFER
        if version >= 3:
            self._writes |= _TRUNCATE
        self._folder = folder

    def bind_this_thread(self) -> None:
        """Restrict the calling thread permanently, and every process that it starts."""
        attributes = ctypes.c_uint64(self._writes)
        ruleset = _call(_CREATE_RULESET, ctypes.byref(attributes), ctypes.sizeof(attributes), 0)
        try:
            self._allow(ruleset, os.fspath(self._folder), self._writes)
            for device in filter(os.path.exists, _DEVICES):
                self._allow(ruleset, device, self._writes & (_WRITE_FILE | _TRUNCATE))
            if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "prctl")
            _call(_RESTRICT_SELF, ruleset, 0)
        finally:
            os.close(ruleset)

    def _allow(self, ruleset: int, path: str, access: int) -> None:
        with _opened(path) as descriptor:
            rule = _PathBeneath(access, descriptor)
            _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)


@contextmanager
def _opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
