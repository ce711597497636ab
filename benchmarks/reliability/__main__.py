"""Strike every changing call of a cluster's life, in every way, and compare what is left."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.reliability.points import Point, parse_point

OTHERS = ("PREFECT_", "QINGCLOUD_", "LOCALCLOUD_", "XDG_", "SAMPLES_")
"""Variables of the user's own accounts, servers and folders."""


def main() -> None:
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that local clouds are ended
    with tempfile.TemporaryDirectory(prefix="matrix-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for variable in list(os.environ):
            if variable.startswith(OTHERS):
                del os.environ[variable]
        os.environ |= {"HOME": name, "PREFECT_HOME": str(folder / "prefect")}
        from benchmarks.reliability.matrix import run  # after the home was chosen

        sys.exit(run(options, folder))


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line; what is wrong ends the process with exit code 2."""
    parser = argparse.ArgumentParser(prog="make matrix", description=__doc__)
    parser.add_argument("--points", type=_count, metavar="N", help="how many (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="chooses the points")
    parser.add_argument(
        "--only", type=_point, action="append", metavar="POINT", help="this one; repeatable"
    )
    parser.add_argument(
        "--storms", type=_count, metavar="N", help="no points: so many cycles in storms"
    )
    parser.add_argument(
        "--cloud-kills", type=_count, metavar="N", help="no points: kill the local cloud N times"
    )
    parser.add_argument("--commands", action="store_true", help="run the real commands")
    parser.add_argument("--jobs", type=_count, default=1, metavar="N", help="local clouds at once")
    parser.add_argument("--list", action="store_true", help="list the calls, and end")
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


if __name__ == "__main__":
    main()
