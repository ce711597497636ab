"""The files for a team name the settings that `make test-team` proves."""

import configparser
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.team.servers import settings

FILES = Path(__file__).parents[2] / "deployments" / "team"
PROVEN = settings("", 0).keys() - {
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",  # from a Secret
    "PREFECT_REDIS_MESSAGING_PORT",  # the usual one
    "PREFECT_SERVER_ANALYTICS_ENABLED",
}


def read(name: str) -> Any:
    return yaml.safe_load((FILES / name).read_text())


def test_each_server_of_compose_has_every_setting() -> None:
    services = read("compose.yaml")["services"]
    for name in ("server", "services"):
        assert services[name]["environment"].keys() >= PROVEN
    assert services["server"]["command"].split()[:4] == [
        "prefect",
        "server",
        "start",
        "--no-services",
    ]
    assert services["server"]["ports"] == ["127.0.0.1:4200:4200"]
    assert services["worker"]["command"] == "worker"


def test_the_values_for_helm_have_every_setting() -> None:
    values = read("server-values.yaml")
    for part in (values["server"], values["backgroundServices"]):
        assert {one["name"] for one in part["env"]} >= PROVEN
    assert read("worker-values.yaml")["worker"]["config"]["workPool"] == "qingcloud"


@pytest.mark.parametrize("file", sorted(FILES.glob("*.service")), ids=lambda file: file.name)
def test_a_unit_restarts_and_reads_its_secrets_from_a_file(file: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(file.read_text())
    service = unit["Service"]
    assert service["Restart"] == "always"
    assert service["EnvironmentFile"].startswith("/etc/qingcloud-k8s/")
    assert service["UMask"] == "0077"


def test_the_document_names_every_setting() -> None:
    text = (FILES.parents[1] / "docs" / "team.md").read_text()
    assert [name for name in sorted(PROVEN) if name not in text] == []
