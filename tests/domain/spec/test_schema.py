"""The published JSON Schema is that of the models, and the example is checked by it."""

import json
from pathlib import Path
from typing import Any, get_args

import jsonschema  # type: ignore[import-untyped]  # comes with Prefect
import pytest

from domain.spec.cluster import parse_spec
from domain.spec.documents import read_yaml
from domain.spec.presets import PRESETS, PresetName
from domain.spec.schema import cluster_schema

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLE = DOCS / "examples" / "cluster.yaml"


def test_the_published_schema_is_current() -> None:
    published = (DOCS / "cluster.schema.json").read_text(encoding="utf-8")
    assert published == cluster_schema(), "python -m deployments.schema > docs/cluster.schema.json"


def test_the_example_is_valid_and_names_its_schema() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    first = text.splitlines()[0]
    assert first == "# yaml-language-server: $schema=../cluster.schema.json"
    document = read_yaml(text, "the example")
    jsonschema.validate(document, json.loads(cluster_schema()))
    assert parse_spec(document).nodes.maximum == 6


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"nods": {}}, id="unknown part"),
        pytest.param({"nodes": {"count": "3"}}, id="a text as a number"),
        pytest.param({"nodes": {"template": {"disk_gib": 10}}}, id="too small"),
        pytest.param({"scaling": {"preset": "articel-text"}}, id="no preset"),
    ],
)
def test_an_editor_marks_what_a_run_would_refuse(document: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json.loads(cluster_schema()))


def test_the_list_of_presets_is_complete() -> None:
    assert get_args(PresetName) == tuple(PRESETS)
