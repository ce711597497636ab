"""One run of the matrix: places, recording, points or storms, result."""

import argparse
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.reliability.commands import CommandGround, server
from benchmarks.reliability.cycle import Recording, record, storm, strike
from benchmarks.reliability.ground import Ground
from benchmarks.reliability.kills import kill_and_count
from benchmarks.reliability.points import all_points, choose, into_cycles
from benchmarks.reliability.report import summary
from benchmarks.reliability.workers import Task, carry_out


def run(options: argparse.Namespace, folder: Path) -> int:
    """Run what the options ask for. Returns: the exit code, 1 where anything did not converge."""
    # Each run is forked from a process that has imported everything, which takes four seconds.
    multiprocessing.set_forkserver_preload(["benchmarks.reliability.child"])
    began = time.monotonic()
    with ExitStack() as stack:
        grounds = list(_grounds(stack, options, folder))
        if options.cloud_kills:
            return kill_and_count(grounds[0], options.cloud_kills, options.seed)
        recording = record(grounds[0])
        sites = recording.all_sites
        print(f"undisturbed: {len(sites)} changing calls", flush=True)
        if options.list:
            print(*sites, sep="\n")
            return 0
        tasks, total = _tasks(options, recording)
        outcomes = carry_out(grounds, tasks, total)
    print(*summary(outcomes, time.monotonic() - began), sep="\n")
    return int(not all(one.converged for one in outcomes))


def _grounds(stack: ExitStack, options: argparse.Namespace, folder: Path) -> Iterator[Ground]:
    url = stack.enter_context(server(folder)) if options.commands else ""
    for number in range(options.jobs):
        place, seed = folder / f"worker-{number}", options.seed + number
        ground = CommandGround(place, seed, url) if url else Ground(place, seed)
        yield stack.enter_context(ground)


def _tasks(options: argparse.Namespace, recording: Recording) -> tuple[list[Task], int]:
    """The work that the options ask for, and how many outcomes it has."""
    if options.storms:
        seeds = range(options.seed, options.seed + options.storms)
        storms: list[Task] = [partial(storm, recording=recording, seed=seed) for seed in seeds]
        return storms, options.storms
    points = options.only or choose(all_points(recording.all_sites), options.points, options.seed)
    cycles: list[Task] = [
        partial(strike, recording=recording, points=cycle) for cycle in into_cycles(points)
    ]
    return cycles, len(points)
