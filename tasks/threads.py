"""Threads that end with their process."""

from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from threading import Thread
from typing import ParamSpec

P = ParamSpec("P")


def in_thread(function: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> Thread:
    """Start a thread that ends with the process, in the context of this one (run and settings)."""
    work = partial(copy_context().run, function, *args, **kwargs)
    thread = Thread(target=work, daemon=True)
    thread.start()
    return thread
