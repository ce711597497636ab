"""The JSON Schema of a cluster's file, for editors, from the models that check the file."""

import json

from domain.spec.cluster import ClusterSpec

DIALECT = "http://json-schema.org/draft-07/schema#"
"""As far as the language servers of the usual editors go."""


def cluster_schema() -> str:
    """Write the schema as a JSON document.

    It says less than the checks of a run do: those that compare two fields are not in it.
    """
    schema = {"$schema": DIALECT, **ClusterSpec.model_json_schema(), "title": "Cluster"}
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
