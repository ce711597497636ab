"""Print the JSON Schema of a cluster's file, for editors that complete and check YAML."""

import sys

from cyclopts import App

from deployments._command import run
from domain.spec.schema import cluster_schema

app = App(name="python -m deployments.schema", help=__doc__, version_flags=())


@app.default
def main() -> None:
    """Print it on standard output; docs/cluster.schema.json holds the same."""
    sys.stdout.write(cluster_schema())


if __name__ == "__main__":
    run(app)
