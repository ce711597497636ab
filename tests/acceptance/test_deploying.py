"""`make deploy` for several clusters on one Prefect server, and for one that is gone."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient

from deployments._late import drop_late_runs, has_worker
from tests.acceptance.workplace import Workplace, ask
from tests.clients.notifications.chat_server import ChatServer, chat_server

# The automations of a cluster.
NAMES = (
    "run failed",
    "autoscaler silent",
    "run without a worker",
    "alarm raised",
    "worker lost",
    "lost run goes on",
)
FLOWS = (
    "autoscale",
    "backup",
    "check",
    "drift",
    "maintain",
    "monitor",
    "provision",
    "repair",
    "restore",
    "rollout",
    "run-script",
    "scale",
    "sweep",
    "teardown",
    "upgrade",
)


@pytest.fixture
def server(workplace: Workplace) -> Iterator[Workplace]:
    """A Prefect server on which nothing is deployed, before and after."""
    assert deployed(workplace) == {}
    yield workplace
    for one in deployed(workplace).values():
        ask(workplace, f"deployments/{one['id']}", verb="DELETE")


def deployed(place: Workplace) -> dict[str, dict[str, Any]]:
    """Every deployment by its flow's name and its own, as `prefect deployment run` takes them."""
    flows = {flow["id"]: flow["name"] for flow in ask(place, "flows/filter")}
    found = ask(place, "deployments/filter")
    return {f"{flows[one['flow_id']]}/{one['name']}": one for one in found}


def names(*clusters: str) -> set[str]:
    return {f"{flow}/{cluster}" for flow in FLOWS for cluster in clusters}


@pytest.fixture
def other_cloud(workplace: Workplace, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The account of a second local cloud, as variables of the environment."""
    place = {"LOCALCLOUD_HOME": str(tmp_path / "other")}
    assert workplace.run("localcloud", "up", "--profile", "instant", **place).code == 0
    yield workplace.run("localcloud", "env", "--json", **place).json
    assert workplace.run("localcloud", "down", **place).code == 0


@pytest.fixture
def hook() -> Iterator[ChatServer]:
    """A service that receives notifications."""
    with chat_server() as server:
        yield server


def save_webhook(place: Workplace, name: str, url: str) -> None:
    kind = ask(place, "block_types/slug/alarm-webhook", verb="GET")["id"]
    wanted = {"block_schemas": {"block_type_id": {"any_": [kind]}}}
    schema = ask(place, "block_schemas/filter", wanted)[0]["id"]
    block = {"name": name, "block_type_id": kind, "block_schema_id": schema, "data": {"url": url}}
    ask(place, "block_documents/", block)


def automations(place: Workplace) -> list[dict[str, Any]]:
    found = ask(place, "automations/filter")
    return sorted(found, key=lambda one: str(one["name"]))


def whats(found: list[dict[str, Any]], cluster: str) -> list[str]:
    names = (str(one["name"]).partition(": ") for one in found)
    return [what for key, _, what in names if key.rpartition("-")[0] == cluster]


def one_of(found: list[dict[str, Any]], what: str) -> dict[str, Any]:
    """The automation of cluster demo of this name."""
    return next(one for one in found if re.fullmatch(f"demo-.*: {what}", one["name"]))


def fail_a_run(place: Workplace, deployment: str) -> None:
    run = ask(place, f"deployments/{deployment}/create_flow_run", {"parameters": {"count": 3}})
    state = {"type": "FAILED", "name": "Failed", "message": "node is broken"}
    ask(place, f"flow_runs/{run['id']}/set_state", {"state": state, "force": True})


def raise_alarm(place: Workplace, cluster: str) -> None:
    event = {
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": "k8s-qingcloud.alarm.raised",
        "resource": {"prefect.resource.id": cluster},
    }
    ask(place, "events", [event])


def wait_for(seen: Callable[[], bool]) -> None:
    """Look until it is so; the limit of the test ends it."""
    while not seen():
        time.sleep(0.2)


def deploy(place: Workplace, *words: str, **account: str) -> str:
    """What `make deploy` says, by default on the account of the workplace's local cloud."""
    account = account or place.run("localcloud", "env", "--json").json
    done = place.run("deployments.register", *words, **account)
    assert done.code == 0, done.err
    return done.err


def deploy_as_before(place: Workplace, flow: str, cluster: str, *, paused: bool = False) -> None:
    """Deploy as versions did that had one set of names for all clusters."""
    spec = {"spec": {"name": cluster}} if flow == "provision" else {"name": cluster}
    document = {
        "name": flow,
        "flow_id": ask(place, "flows/", {"name": flow})["id"],
        "entrypoint": f"flows.{flow}.{flow}",
        "parameters": {"account": {"$ref": {"block_document_slug": "x/y"}}, **spec},
        "enforce_parameter_schema": False,
        "schedules": [{"schedule": {"interval": 60}, "slug": "each-minute", "active": not paused}],
    }
    ask(place, "deployments/", document)


def check_a_second_account(server: Workplace, other_cloud: dict[str, str]) -> None:
    """Deploy a cluster of the same name of another account, beside the first, and remove it."""
    before = deployed(server)
    said = deploy(server, "--name", "demo", **other_cloud)
    assert "has a cluster demo on this server, too; its deployments stay" in said
    after = deployed(server)
    assert {name: after[name]["id"] for name in before} == {
        name: one["id"] for name, one in before.items()
    }
    (second,) = {name.partition("/")[2] for name in after.keys() - before.keys()}
    assert re.fullmatch(r"demo@[0-9a-f]{8}", second)
    one, other = after["monitor/demo"], after[f"monitor/{second}"]
    assert one["parameters"]["account"] != other["parameters"]["account"]
    assert one["parameters"]["name"] == other["parameters"]["name"] == "demo"
    refused = server.run("deployments.register", "--name", "demo", "--remove")
    assert refused.code == 2
    assert "each have a cluster demo on this server; choose one with --account" in refused.sentence
    words = ("--name", "demo", "--remove", "--account", block_of(server, other))
    assert deploy(server, *words).startswith("Removed: ")
    assert deployed(server).keys() == before.keys()


def check_late_runs(server: Workplace, deployment: str) -> None:
    """Drop what the schedules have planned, as if all of it was late; what a person wants stays."""
    asked = {"parameters": {"count": 3}, "state": {"type": "SCHEDULED"}}
    by_hand = ask(server, f"deployments/{deployment}/create_flow_run", asked)["id"]
    waiting = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    wait_for(lambda: len(ask(server, "flow_runs/filter", waiting)) > 1)
    place = server.environment
    auth = place.get("PREFECT_API_AUTH_STRING")
    with SyncPrefectClient(place["PREFECT_API_URL"], auth_string=auth) as client:
        assert drop_late_runs(client, datetime.now(UTC) + timedelta(days=1)) > 0
        assert not has_worker(client, "qingcloud")
    left = ask(server, "flow_runs/filter", waiting)
    assert by_hand in {run["id"] for run in left}
    assert len(left) < 20  # the schedules go on, and daily ones plan days ahead; hundreds before


def block_of(place: Workplace, deployment: dict[str, Any]) -> str:
    block = deployment["parameters"]["account"]["$ref"]["block_document_id"]
    return str(ask(place, f"block_documents/{block}", verb="GET")["name"])


@pytest.mark.timeout(300)
def test_clusters_are_deployed_side_by_side_and_removed_one_by_one(
    server: Workplace, other_cloud: dict[str, str], hook: ChatServer
) -> None:
    save_webhook(server, "oncall", hook.url)
    said = deploy(server, "--name", "demo", "--notify", "alarm-webhook/oncall")
    assert "autoscale/demo" in said
    said = deploy(server, "--name", "burst", **other_cloud)
    assert "Nobody is notified of failed runs; name a block with --notify\n" in said
    found = deployed(server)
    assert found.keys() == names("demo", "burst")
    for cluster in ("demo", "burst"):
        for flow in ("autoscale", "monitor"):
            one = found[f"{flow}/{cluster}"]
            assert [schedule["active"] for schedule in one["schedules"]] == [True]
            assert one["parameters"]["name"] == cluster
            assert one["global_concurrency_limit"]["limit"] == 1
    accounts = {one["name"]: one["parameters"]["account"]["$ref"] for one in found.values()}
    tags = {one["name"]: set(one["tags"]) for one in found.values()}
    assert {"cluster:demo", "cluster:burst"} < tags["demo"] | tags["burst"]
    assert len(tags["demo"] | tags["burst"]) == 4  # each has its account's, too
    assert accounts["demo"] != accounts["burst"]  # what one is deployed with is not the other's
    assert found["provision/burst"]["parameters"]["spec"] == {"name": "burst"}

    watching = automations(server)
    assert sorted(whats(watching, "demo")) == sorted(NAMES)
    assert sorted(whats(watching, "burst")) == [
        "alarm raised",
        "lost run goes on",
        "run without a worker",
        "worker lost",
    ]
    switched_off = one_of(watching, "autoscaler silent")["id"]
    ask(server, f"automations/{switched_off}", {"enabled": False}, verb="PATCH")

    paused = found["monitor/demo"]["schedules"][0]["id"]
    path = f"deployments/{found['monitor/demo']['id']}/schedules/{paused}"
    ask(server, path, {"active": False}, verb="PATCH")
    deploy(server, "--name", "demo")
    assert deployed(server)["monitor/demo"]["schedules"][0]["active"] is False
    assert {name: one["id"] for name, one in deployed(server).items()} == {
        name: one["id"] for name, one in found.items()
    }

    again = automations(server)
    assert [one["id"] for one in again] == [one["id"] for one in watching]
    assert [one["id"] for one in again if not one["enabled"]] == [switched_off]
    assert [one["actions"] for one in again] == [one["actions"] for one in watching]

    fail_a_run(server, found["scale/demo"]["id"])
    raise_alarm(server, one_of(watching, "alarm raised")["trigger"]["match"]["prefect.resource.id"])
    wait_for(lambda: len(hook.received) > 0)
    assert "node is broken" in hook.received[0].body["message"]
    drifts = {"deployments": {"id": {"any_": [found["drift/demo"]["id"]]}}}
    wait_for(lambda: len(ask(server, "flow_runs/filter", drifts)) > 0)

    check_a_second_account(server, other_cloud)
    check_late_runs(server, found["scale/demo"]["id"])

    said = deploy(server, "--name", "demo", "--remove")
    assert said == f"Removed: {', '.join(sorted(names('demo')))}\n"
    assert deployed(server).keys() == names("burst")
    assert whats(automations(server), "demo") == []
    assert deploy(server, "--name", "demo", "--remove") == "Nothing is deployed for cluster demo\n"


@pytest.mark.timeout(200)
def test_deployments_of_an_older_version_are_replaced(server: Workplace) -> None:
    deploy_as_before(server, "provision", "demo")
    deploy_as_before(server, "autoscale", "demo", paused=True)
    deploy_as_before(server, "monitor", "other")
    said = deploy(server, "--name", "demo")
    assert "Removed: autoscale/autoscale, provision/provision" in said
    assert "monitor/monitor" not in said
    found = deployed(server)
    assert found.keys() == names("demo") | {"monitor/monitor"}
    # Whoever had paused it does not find machines that nobody ordered.
    assert [schedule["active"] for schedule in found["autoscale/demo"]["schedules"]] == [False]
    assert [schedule["active"] for schedule in found["monitor/demo"]["schedules"]] == [True]
    assert "Paused, like the ones that they replace: autoscale/demo\n" in said
