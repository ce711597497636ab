"""The deployment file agrees with the code, and schedules run as documented."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.settings.models.server.services import ServerServicesDBVacuumSettings
from prefect.utilities.schema_tools.validation import validate

from deployments._deployed import FLOWS
from deployments.server import SERVER_SETTINGS
from flows.provision import provision

FILE = Path(__file__).parents[2] / "deployments" / "prefect.yaml"
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
    assert needed == ({"count"} if name == "scale" else set())


def test_the_server_lets_a_policy_begin_with_a_preset() -> None:
    schema = json.loads(provision.parameters.model_dump_json())
    wanted = {"name": "demo", "scaling": {"preset": "pending", "maximum": 7}}
    assert validate({"spec": wanted}, schema, ignore_required=True) == []
    assert validate({"spec": {"scaling": {"preset": 5}}}, schema, ignore_required=True) != []


@pytest.mark.parametrize("item", NAMED.values(), ids=NAMED)
def test_an_account_is_passed_as_a_reference_only(item: dict[str, Any]) -> None:
    assert set(item["parameters"]["account"]) == {"$ref"}
    assert "prefect.blocks" not in FILE.read_text()  # that form copies secrets


def test_one_run_a_minute_and_never_two_at_once() -> None:
    looking = {name for name, item in NAMED.items() if "schedules" in item}
    assert looking == {"autoscale", "monitor"}
    for name in looking:
        assert [schedule["interval"] for schedule in NAMED[name]["schedules"]] == [60]
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
