"""The deployment file agrees with the code, and schedules run as documented."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.settings.models.server.services import ServerServicesDBVacuumSettings
from prefect.utilities.schema_tools.validation import validate

from deployments._deployed import FLOWS
from deployments.server import SERVER_SETTINGS
from domain.spec.cluster import overlay, parse_spec
from domain.spec.given import GivenSpec
from domain.spec.presets import PRESETS
from flows.provision import provision

FILE = Path(__file__).parents[2] / "deployments" / "prefect.yaml"
EXAMPLE = FILE.parents[1] / "docs" / "examples" / "cluster.yaml"
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load(FILE.read_text())["deployments"]
NAMED = {FLOWS[item["entrypoint"]]: item for item in DEPLOYMENTS}


def test_each_deployment_has_the_name_of_its_cluster() -> None:
    assert {item["name"] for item in DEPLOYMENTS} == {"{{ $DEPLOYMENT }}"}
    assert len(DEPLOYMENTS) == len(NAMED) == len(FLOWS)


@pytest.mark.parametrize(("name", "item"), NAMED.items(), ids=NAMED)
def test_a_deployment_gives_parameters_that_its_flow_has(name: str, item: dict[str, Any]) -> None:
    flow: Flow[..., Any] = load_flow_from_entrypoint(item["entrypoint"], use_placeholder_flow=False)
    assert flow.name == name
    assert item["parameters"].keys() <= flow.parameters.properties.keys()
    needed = set(flow.parameters.required) - item["parameters"].keys()
    assert needed == set()


def test_the_server_lets_a_policy_begin_with_a_preset() -> None:
    schema = json.loads(provision.parameters.model_dump_json())
    wanted = {"name": "demo", "scaling": {"preset": "pending", "maximum": 7}}
    assert validate({"spec": wanted}, schema, ignore_required=True) == []
    assert validate({"spec": {"scaling": {"preset": 5}}}, schema, ignore_required=True) != []


def schema_of(flow: str) -> dict[str, Any]:
    """The schema by which the Prefect server draws and checks the form of a flow."""
    found: Flow[..., Any] = load_flow_from_entrypoint(NAMED[flow]["entrypoint"])
    return dict(json.loads(found.parameters.model_dump_json()))


def fields_of(flow: str) -> Iterator[tuple[str, dict[str, Any]]]:
    schema = schema_of(flow)
    parts = {flow: schema, **schema["definitions"]}
    for part, content in parts.items():
        for name, field in content.get("properties", {}).items():
            if part != "QingCloudAccount":  # the form shows the saved accounts as a list
                yield f"{part}.{name}", field


@pytest.mark.parametrize("flow", NAMED)
def test_each_field_of_a_form_says_what_it_is_and_numbers_have_limits(flow: str) -> None:
    of_any_unit = {"AlarmRule.warning", "AlarmRule.error", "MetricRule.threshold"}
    for name, field in fields_of(flow):
        branches = [field, *field.get("anyOf", [])]
        assert "description" in field or any("$ref" in one for one in branches), name
        for one in branches:
            if one.get("type") in ("integer", "number") and name not in of_any_unit:
                limits = {"minimum", "exclusiveMinimum", "enum"}
                assert limits & (one.keys() | field.keys()), name


def test_an_account_is_chosen_from_the_saved_ones() -> None:
    for flow in NAMED:
        account = schema_of(flow)["definitions"]["QingCloudAccount"]
        assert account["block_type_slug"] == "qingcloud-account"


@pytest.mark.parametrize(
    ("flow", "given"),
    [
        pytest.param("scale", {"count": -1}, id="no count"),
        pytest.param("scale", {"count": 6000}, id="too many"),
        pytest.param("scale", {"count": "3"}, id="a text"),
        pytest.param("scale", {"count": 3, "group": "K8s nodes"}, id="no group"),
        pytest.param("teardown", {"name": "Demo"}, id="no name"),
        pytest.param("autoscale", {"policy": "articel-text"}, id="no policy"),
        pytest.param("provision", {"spec": {"name": "a-name-of-15-chars"}}, id="long name"),
        pytest.param("provision", {"spec": {"nodes": {"count": 5001}}}, id="too many nodes"),
        pytest.param("provision", {"spec": {"nods": {"count": 3}}}, id="unknown part"),
        pytest.param(
            "provision", {"spec": {"access": {"allowed_cidrs": ["everybody"]}}}, id="no network"
        ),
        pytest.param("provision", {"spec": {"scaling": {"preset": "small"}}}, id="no preset"),
        pytest.param("provision", {"spec": {"kubernetes": {"version": "1.34.1"}}}, id="version"),
        pytest.param("provision", {"spec": {"network": {"vpc": "vpc-1"}}}, id="no vpc"),
    ],
)
def test_the_server_refuses_bad_input_before_a_run_starts(flow: str, given: dict[str, Any]) -> None:
    assert validate(given, schema_of(flow), ignore_required=True) != []


def test_the_form_s_own_values_give_nothing() -> None:
    """What a form posts where nobody has typed anything: each default that its schema names."""
    spec = schema_of("provision")["definitions"]["GivenSpec"]["properties"]
    posted = {name: field["default"] for name, field in spec.items()}
    assert validate({"spec": posted}, schema_of("provision"), ignore_required=True) == []
    stored = parse_spec(yaml.safe_load(EXAMPLE.read_text())).model_dump(mode="json")
    assert overlay(stored, GivenSpec.model_validate(posted).given) == stored


def test_a_preset_that_is_chosen_in_the_form_is_not_undone_by_the_form() -> None:
    """The form then posts the other fields of the policy, too, with the defaults of the schema."""
    policy = schema_of("provision")["definitions"]["WrittenPolicy"]["properties"]
    posted = {name: field["default"] for name, field in policy.items()}
    for name, preset in PRESETS.items():
        wanted = {"name": "demo", "scaling": {**posted, "preset": name}}
        assert validate({"spec": wanted}, schema_of("provision"), ignore_required=True) == []
        assert GivenSpec.model_validate(wanted).scaling == preset
        changed = {**wanted, "scaling": {**posted, "preset": name, "maximum": 7}}
        assert GivenSpec.model_validate(changed).scaling == preset.model_copy(update={"maximum": 7})


@pytest.mark.parametrize("item", NAMED.values(), ids=NAMED)
def test_an_account_is_passed_as_a_reference_only(item: dict[str, Any]) -> None:
    assert set(item["parameters"]["account"]) == {"$ref"}
    assert "prefect.blocks" not in FILE.read_text()  # that form copies secrets


def test_each_schedule_has_its_pace_and_never_runs_twice_at_once() -> None:
    looking = {name: item["schedules"] for name, item in NAMED.items() if "schedules" in item}
    assert looking.pop("backup") == [{"cron": "17 3 * * *", "slug": "each-night"}]
    minute, day = 60, 86_400
    seconds = {name: [one["interval"] for one in found] for name, found in looking.items()}
    assert seconds == {"autoscale": [minute], "maintain": [day], "monitor": [minute]}
    for name in (*looking, "backup"):
        limit = {"limit": 1, "collision_strategy": "CANCEL_NEW"}
        assert NAMED[name]["concurrency_limit"] == limit


def test_runs_that_change_a_cluster_run_one_at_a_time() -> None:
    for name in ("provision", "scale", "teardown"):
        assert NAMED[name]["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}


def test_our_server_removes_old_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVER_SETTINGS.items():
        monkeypatch.setenv(name, value)
    vacuum = ServerServicesDBVacuumSettings()
    assert "flow_runs" in vacuum.enabled_vacuum_types
    assert vacuum.retention_period.days == 7
