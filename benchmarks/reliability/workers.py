"""Work on several grounds at a time, with a line of progress at least every ten seconds."""

import time
from collections.abc import Callable, Sequence
from queue import Empty, Queue
from threading import Thread

from benchmarks.reliability.cycle import Outcome
from benchmarks.reliability.ground import Ground
from benchmarks.reliability.report import failure, progress

PROGRESS_EVERY = 10.0
"""Seconds between two lines of progress."""

Task = Callable[[Ground], list[Outcome]]


def carry_out(grounds: Sequence[Ground], tasks: Sequence[Task], total: int) -> list[Outcome]:
    """Carry out all tasks, one at a time on each ground; print progress and failures.

    Args:
        total: the number of outcomes that the tasks have together.

    Raises:
        NotUndisturbed: as the first task that raises it.
    """
    waiting: Queue[Task] = Queue()
    for task in tasks:
        waiting.put(task)
    ended: Queue[list[Outcome] | Exception] = Queue()
    for ground in grounds:
        Thread(target=_work, args=(ground, waiting, ended), daemon=True).start()
    outcomes: list[Outcome] = []
    began = time.monotonic()
    due = began + PROGRESS_EVERY
    while len(outcomes) < total:
        try:
            found = ended.get(timeout=max(0.0, due - time.monotonic()))
        except Empty:
            found = []
        if isinstance(found, Exception):
            raise found
        outcomes += found
        for one in found:
            if not one.converged:
                print(*failure(one), sep="\n", flush=True)
        if time.monotonic() >= due:
            print(progress(outcomes, total, time.monotonic() - began), flush=True)
            due = time.monotonic() + PROGRESS_EVERY
    return outcomes


def _work(
    ground: Ground, waiting: "Queue[Task]", ended: "Queue[list[Outcome] | Exception]"
) -> None:
    while True:
        try:
            task = waiting.get_nowait()
        except Empty:
            return
        try:
            ended.put(task(ground))
        except Exception as error:  # the main thread raises it
            ended.put(error)
