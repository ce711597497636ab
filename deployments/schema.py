"""Print the JSON Schema of a cluster's file, for editors that complete and check YAML."""

import sys

from deployments._command import run
from deployments._flags.schema import Flags, app
from domain.spec.schema import cluster_schema
from flows._cli.parsing import parse


def main(flags: Flags) -> None:
    """Print it on standard output; docs/cluster.schema.json holds the same."""
    sys.stdout.write(cluster_schema())


if __name__ == "__main__":
    run(main, parse(app))
