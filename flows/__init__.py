"""One use case a file; each runs as `python -m flows.<name>` and as a Prefect flow."""

import os
import sys
from signal import SIGINT, SIGTERM, signal


def _leave(number: int, frame: object) -> None:
    """End at once: all that a command does in its first seconds is to import."""
    os.write(2, b"Error: interrupted; nothing was started\n")
    os._exit(128 + number)


# Those seconds would otherwise end in a traceback. As Python documents, the first argument is `-m`
# exactly while the module to run is being located, for which its package is imported: so whoever
# else imports us (Prefect, tests, a library's user) keeps the signals that they have. A command
# hears them itself as soon as it can (`flows/_interruption.py`).
if sys.argv[:1] == ["-m"]:
    for _number in (SIGINT, SIGTERM):
        signal(_number, _leave)
