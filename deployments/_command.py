"""How a command of this room speaks and ends."""

import sys

from cyclopts import App, CycloptsError
from httpx import HTTPError
from prefect.exceptions import PrefectException

from domain.kernel.errors import ClusterError


def say(words: str) -> None:
    sys.stderr.write(words + "\n")


def run(app: App) -> None:
    """Run a command to its exit code; errors are one sentence.

    Exit codes: 0 done, 1 begun and not finished, 2 asked for something that cannot be done.
    """
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False)
    except (CycloptsError, ClusterError) as error:
        say(f"Error: {error}")
        sys.exit(2)
    except (HTTPError, PrefectException) as error:
        say(f"Error: the Prefect server did not do its part: {error}")
        sys.exit(1)
