"""The common part of this room's commands: output, exit codes, and Prefect's own command."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from httpx import HTTPError
from prefect.exceptions import PrefectException

from blocks.settings import environment_with, keep_loopback_direct
from domain.kernel.errors import ClusterError
from flows._cli.starting import end_imports
from words import translate

PREFECT_SECONDS = 180.0
"""For one of Prefect's commands, of which `deploy` imports every flow."""


def print_line(text: str) -> None:
    sys.stderr.write(translate(text) + "\n")


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say at once what is waited for; on a terminal, for as long as it lasts."""
    if not sys.stderr.isatty():
        print_line(what)
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(translate(what)):
        yield


def run_prefect(
    *arguments: str, variables: Mapping[str, str], folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one of Prefect's commands to its end.

    Args:
        variables: added to the environment.
        folder: its working directory; the present one if not given.
    """
    return subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        cwd=folder,
        env=environment_with(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PREFECT_SECONDS,
        check=False,
    )


def run(main: Callable[[Any], None], flags: object) -> None:
    """Run a command to its exit code; errors are one sentence.

    Exit codes: 0 done, 1 begun and not finished, 2 the request cannot be carried out.
    """
    end_imports()
    keep_loopback_direct()
    try:
        main(flags)
    except ClusterError as error:
        print_line(f"Error: {error}")
        sys.exit(2)
    except (HTTPError, PrefectException) as error:
        print_line(f"Error: the Prefect server failed: {error}")
        sys.exit(1)
