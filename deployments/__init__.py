"""Which flow runs where, when and with which parameters; and the Prefect server beside it."""

import sys

# As in `flows/__init__.py`: `python -m` is locating the module to run.
if sys.argv[:1] == ["-m"]:
    from flows._cli.parsing import parse_first

    parse_first(sys.orig_argv[-len(sys.argv)], "deployments._flags")
