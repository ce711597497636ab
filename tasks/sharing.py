"""A login that several threads share: one of them makes it, the others wait for it."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from threading import Lock

from clients.ssh import SshMachine, SshTarget


class SharedLogin:
    """The login to the jump host of a run; a lost one is made again.

    sshd admits few logins at a time (`MaxStartups`), but any number of tunnels through one. Threads
    that wait for a login fail with it: each for itself would wait as long again, one after another.
    """

    def __init__(self, stack: ExitStack) -> None:
        """Take what closes the connections in the end."""
        self._stack = stack
        self._lock = Lock()
        self._target: SshTarget | None = None
        self._login: Future[SshMachine] | None = None

    def get(self, target: SshTarget, log_in: Callable[[], SshMachine]) -> SshMachine:
        """The login to this target. Raises what `log_in` raises, in every thread that waits."""
        with self._lock:
            login = self._login
            mine = login is None or self._target != target or not _is_usable(login)
            if login is None or mine:
                self._target, self._login = target, (login := Future())
        if mine:
            try:
                login.set_result(self._stack.enter_context(log_in()))
            except BaseException as error:
                login.set_exception(error)
        return login.result()


def _is_usable(login: Future[SshMachine]) -> bool:
    """Whether it is being made, or made and not lost."""
    return not login.done() or (login.exception() is None and login.result().is_open)
