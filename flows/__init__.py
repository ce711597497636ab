"""One use case a file; each runs as `python -m flows.<name>` and as a Prefect flow."""

import os
import sys
from signal import SIGINT, SIGTERM, signal

from flows._rooms import find_obstacle, leave_current_folder


def end_at_signals() -> None:
    """End at once on Ctrl-C and SIGTERM: a command that only imports has started nothing.

    An interrupted import would otherwise print a traceback. A command installs its own handlers as
    soon as it runs (`flows/_cli/interruption.py`).
    """
    for number in (SIGINT, SIGTERM):
        signal(number, _end)


def _end(number: int, frame: object) -> None:
    sentence = "Error: interrupted; nothing was started"
    try:
        from words import translate

        sentence = translate(sentence)
    except ImportError:  # it was being imported
        pass
    os.write(2, f"{sentence}\n".encode())
    os._exit(128 + number)


# As Python documents, the first argument is `-m` exactly while the module to run is being located,
# for which its package is imported. Other importers (Prefect, tests, users of the library) keep
# their signals and their search path.
_is_command = sys.argv[:1] == ["-m"]
if _is_command:
    end_at_signals()
    leave_current_folder()
if _obstacle := find_obstacle():
    if _is_command:
        sys.stderr.write(f"Error: {_obstacle}\n")  # what would translate it may be hidden, too
        sys.exit(2)
    raise ImportError(_obstacle, name=__name__)
if _is_command:
    from flows._cli.parsing import parse_first

    parse_first(sys.orig_argv[-len(sys.argv)], "flows._cli.flags")
