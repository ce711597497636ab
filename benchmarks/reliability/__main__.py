"""The crash matrix: `make matrix`, or `python -m benchmarks.reliability`."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

from benchmarks.reliability.points import Point, Stage, all_points, choose, into_cycles, parse_point

PROGRESS_EVERY = 10.0
"""Seconds between two lines of progress."""


def main() -> None:
    options = _parse(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="matrix-", ignore_cleanup_errors=True) as folder:
        _own_home(Path(folder))
        sys.exit(matrix(options, Path(folder)))


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make matrix", description=__doc__)
    parser.add_argument("--points", type=_count, help="how many (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="which ones, and in which order")
    parser.add_argument("--jobs", type=_count, default=1, help="local clouds at the same time")
    parser.add_argument(
        "--only", type=_point, action="append", help="exactly this point; repeatable"
    )
    parser.add_argument("--list", action="store_true", help="list the sites and end")
    return parser.parse_args(words)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def _point(text: str) -> Point:
    try:
        return parse_point(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _own_home(folder: Path) -> None:
    """Let nothing be read from, or written to, the home of the user."""
    for name in list(os.environ):
        if name.startswith(("PREFECT_", "QINGCLOUD_", "LOCALCLOUD_", "XDG_", "SAMPLES_")):
            del os.environ[name]
    os.environ |= {"HOME": str(folder), "PREFECT_HOME": str(folder / "prefect")}


def matrix(options: argparse.Namespace, folder: Path) -> int:
    """Run the matrix. Returns: the exit code, 1 where anything did not converge."""
    # Imported here, after the home has been chosen.
    import multiprocessing

    from benchmarks.reliability.cycle import Outcome, record, strike_cycle
    from benchmarks.reliability.ground import Ground
    from benchmarks.reliability.report import failure, progress, summary

    multiprocessing.set_forkserver_preload(["benchmarks.reliability.child"])
    began = time.monotonic()
    with ExitStack() as stack:
        grounds = [
            stack.enter_context(Ground(folder / f"worker-{number}", options.seed + number))
            for number in range(options.jobs)
        ]
        recording = record(grounds[0])
        sites = recording.all_sites
        print(f"undisturbed: {len(sites)} changing calls, {time.monotonic() - began:.1f} s")
        if options.list:
            print(*sites, sep="\n")
            return 0
        points = options.only or choose(all_points(sites), options.points, options.seed)
        waiting: Queue[Mapping[Stage, Point]] = Queue()
        for cycle in into_cycles(points):
            waiting.put(cycle)
        ended: Queue[list[Outcome] | BaseException] = Queue()

        def work(ground: Ground) -> None:
            try:
                for cycle in _taken(waiting):
                    outcomes = strike_cycle(ground, recording, cycle)
                    ended.put(outcomes)
                    met = {one.stage for one in outcomes}
                    if left := {stage: p for stage, p in cycle.items() if stage not in met}:
                        waiting.put(left)
            except BaseException as error:
                ended.put(error)

        workers = [Thread(target=work, args=(ground,), daemon=True) for ground in grounds]
        for worker in workers:
            worker.start()
        outcomes: list[Outcome] = []
        due = time.monotonic() + PROGRESS_EVERY
        while len(outcomes) < len(points):
            try:
                found = ended.get(timeout=max(0.0, due - time.monotonic()))
            except Empty:
                found = []
            if isinstance(found, BaseException):
                raise found
            outcomes += found
            for one in found:
                if not one.converged:
                    print(*failure(one), sep="\n", flush=True)
            if time.monotonic() >= due:
                print(progress(outcomes, len(points), time.monotonic() - began), flush=True)
                due = time.monotonic() + PROGRESS_EVERY
        print(*summary(outcomes, time.monotonic() - began), sep="\n")
    return int(not all(one.converged for one in outcomes))


def _taken(waiting: "Queue[Mapping[Stage, Point]]") -> Iterator[Mapping[Stage, Point]]:
    while True:
        try:
            yield waiting.get_nowait()
        except Empty:
            return


if __name__ == "__main__":
    main()
