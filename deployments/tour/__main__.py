"""`python -m deployments.tour`."""

from deployments._command import run
from deployments._flags.tour import app
from deployments.tour import main
from flows._cli.parsing import parse

run(main, parse(app))
