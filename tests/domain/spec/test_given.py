"""A form that is submitted unchanged gives nothing, and what is given is checked by its path."""

from typing import Any

import pytest
from pydantic import ValidationError

from domain.spec.cluster import ClusterSpec, changed, parse_spec
from domain.spec.given import GivenSpec
from domain.spec.presets import UnreadPolicy
from tests.domain.spec.full import FULL


def posted(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """What Prefect's form posts when nobody has typed anything: each default of the schema."""
    values = {}
    for name, field in part["properties"].items():
        inner = field.get("$ref")
        if inner:
            values[name] = posted(schema, schema["$defs"][inner.rpartition("/")[2]])
        elif "default" in field:
            values[name] = field["default"]
    return values


def test_a_form_that_is_submitted_unchanged_changes_nothing_of_a_cluster_with_everything_set() -> (
    None
):
    schema = GivenSpec.model_json_schema()
    form = GivenSpec.model_validate({**posted(schema, schema), "name": "demo"})
    stored = parse_spec(FULL)
    assert changed(stored, form.given) == stored
    assert changed(ClusterSpec(), form.given) == ClusterSpec()


def test_a_form_changes_one_value_of_a_group_and_keeps_the_others() -> None:
    form = GivenSpec.model_validate({"groups": {"gpu": {"count": 3}}})
    after = changed(parse_spec(FULL), form.given)
    assert after == parse_spec(FULL).with_count("gpu", 3)


def test_an_unreadable_policy_of_a_group_stays_as_it_is() -> None:
    document = {**FULL, "groups": {"gpu": {"scaling": {"forecast": 1}}}}
    stored = parse_spec(document, stored=True)
    given = GivenSpec.of(stored.with_count("k8s-node", 3), stored)
    after = changed(stored, given.given)
    assert isinstance(after.policy("gpu"), UnreadPolicy)
    assert after.count("k8s-node") == 3
    assert not isinstance(after.scaling, UnreadPolicy)


def test_what_a_form_gives_is_laid_over_what_is_stored() -> None:
    form = GivenSpec.model_validate({"nodes": {"maximum": 20}, "access": {"allowed_cidrs": []}})
    after = changed(parse_spec(FULL), form.given)
    assert (after.nodes.minimum, after.nodes.maximum) == (1, 20)
    assert after.access.allowed_cidrs == ()
    assert after.scaling == parse_spec(FULL).scaling


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"nodes": {"count": True}}, ("nodes", "count")),
        ({"nodes": {"count": 5001}}, ("nodes", "count")),
        ({"nodez": {}}, ("nodez",)),
        ({"name": "Big"}, ("name",)),
        ({"scaling": {"preset": "mine"}}, ("scaling",)),
    ],
)
def test_a_value_is_checked_before_the_run_starts(
    document: dict[str, Any], path: tuple[str, ...]
) -> None:
    with pytest.raises(ValidationError) as caught:
        GivenSpec.model_validate(document)
    assert caught.value.errors()[0]["loc"][: len(path)] == path


def test_a_whole_description_gives_also_what_it_leaves_empty() -> None:
    bare = parse_spec({"nodes": {"count": 3}, "scaling": None})
    given = GivenSpec.of(bare)
    assert changed(parse_spec(FULL), given.given).scaling is None
    assert given.nodes.count == 3  # which the run's page shows


def test_a_stored_policy_that_cannot_be_read_stays_as_it_is() -> None:
    stored = parse_spec({**FULL, "scaling": {"forecast": 1}}, stored=True)
    given = GivenSpec.of(stored.with_count("k8s-node", 3))
    assert isinstance(changed(stored, given.given).scaling, UnreadPolicy)
