"""The main job: from nothing to a working cluster, and everything a user then types."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.acceptance.workplace import Workplace

WHOLE = {
    "instance": 3,
    "router": 1,
    "vxnet": 1,
    "eip": 1,
    "loadbalancer": 1,
    "listener": 3,
    "backend": 3,
    "security_group": 2,
    "router_static": 3,
    "keypair": 1,
    "tag": 1,
}


def whole(workplace: Workplace, **but: int) -> bool:
    seen = dict(workplace.cloud()["resources"])
    seen.pop("security_group_rule")
    return seen == WHOLE | but


def test_status_holds_machines_nodes_api_and_ui(cluster: Workplace) -> None:
    status = cluster.run("flows.status", "--json").json
    assert status["cluster"] == "demo"
    assert status["api"]["url"].endswith(":8080")
    assert status["api"]["ready"]
    assert status["ui"]["url"].endswith(":8443")
    assert status["ui"]["ready"]
    assert [m["group"] for m in status["machines"]] == ["k8s-master", "k8s-node", "k8s-node"]
    assert all(m["status"] == "running" and m["private_ip"] for m in status["machines"])
    assert [n["name"] for n in status["nodes"]] == [m["name"] for m in status["machines"]]
    assert all(n["ready"] and n["schedulable"] for n in status["nodes"])
    workers = [n for n in status["nodes"] if n["group"] == "k8s-node"]
    assert sum(n["pods"] for n in workers) == 3  # nginx alone: daemons are not counted
    assert {n["pods_allocatable"] for n in workers} == {40}
    assert whole(cluster)


def test_a_second_provision_changes_nothing_in_the_cloud(cluster: Workplace) -> None:
    before = cluster.changes()
    report = cluster.run("flows.provision", "--json").json
    assert len(report["nodes"]) == 3
    assert cluster.changes() == before


def test_the_plan_lists_every_resource_and_changes_nothing(cluster: Workplace) -> None:
    before = cluster.changes()
    plan = cluster.run("flows.provision", "--plan", "--nodes", "4", "--json").json
    actions = {(item["kind"], item["action"]) for item in plan["items"]}
    assert ("router", "keep") in actions
    changed = [item for item in plan["items"] if item["action"] != "keep"]
    assert [(c["kind"], c["action"], c["count"]) for c in changed] == [("machine", "create", 2)]
    assert changed[0]["reason"] == "2 there, 4 wanted"
    assert cluster.changes() == before


def test_one_more_node_touches_no_other_machine_and_scale_takes_it_away(
    cluster: Workplace,
) -> None:
    before = {m["id"] for m in cluster.run("flows.status", "--json").json["machines"]}
    grown = cluster.run("flows.provision", "--nodes", "3", "--json").json
    after = {m["id"] for m in grown["machines"]}
    assert before < after
    assert len(after - before) == 1
    assert len(grown["nodes"]) == 4
    assert all(node["ready"] for node in grown["nodes"])

    changes = cluster.changes()
    again = cluster.run("flows.provision", "--json").json
    assert len(again["machines"]) == 4
    assert cluster.changes() == changes

    shrunk = cluster.run("flows.scale", "--count", "2", "--json").json
    assert len(shrunk["machines"]) == len(shrunk["nodes"]) == 3
    assert whole(cluster)

    changes = cluster.changes()
    assert len(cluster.run("flows.provision", "--json").json["machines"]) == 3
    assert cluster.changes() == changes


def test_scaling_down_moves_the_pods_and_loses_none(cluster: Workplace) -> None:
    shrunk = cluster.run("flows.scale", "--count", "1", "--json").json
    (worker,) = (n for n in shrunk["nodes"] if n["group"] == "k8s-node")
    demo = cluster.run("flows.demo", "--json").json
    assert "nginx" in demo["page"]
    status = cluster.run("flows.status", "--json").json
    (worker,) = (n for n in status["nodes"] if n["group"] == "k8s-node")
    assert worker["pods"] == 3
    grown = cluster.run("flows.scale", "--count", "2", "--json").json
    assert len(grown["nodes"]) == 3


def test_the_demo_s_page_comes_through_the_public_address(cluster: Workplace) -> None:
    demo = cluster.run("flows.demo", "--json").json
    path = ":8080/api/v1/namespaces/default/services/nginxservice/proxy/"
    assert demo["url"].startswith("https://127.")
    assert demo["url"].endswith(path)
    assert "nginx" in demo["page"]


def test_the_ui_is_told_with_a_token_that_only_looks(cluster: Workplace) -> None:
    ui = cluster.run("flows.ui", "--json").json
    assert ui["url"].endswith(":8443")
    assert ui["token"].count(".") == 2


def test_a_kubeconfig_is_written_for_its_owner_alone_or_merged(
    cluster: Workplace, tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    assert cluster.run("flows.kubeconfig", "--out", str(alone), "--json").json["path"] == str(alone)
    assert alone.stat().st_mode & 0o777 == 0o600

    mine = tmp_path / "config"
    other = {"apiVersion": "v1", "kind": "Config", "current-context": "work"}
    named = {"contexts": [{"name": "work", "context": {"cluster": "w", "user": "w"}}]}
    mine.write_text(yaml.safe_dump(other | named))
    assert cluster.run("flows.kubeconfig", "--out", str(mine), "--merge").code == 0
    merged = yaml.safe_load(mine.read_text())
    assert merged["current-context"] == "work"
    assert {context["name"] for context in merged["contexts"]} == {"work", "k8s.demo"}

    broken = tmp_path / "broken"
    broken.write_text("{")
    refused = cluster.run("flows.kubeconfig", "--out", str(broken), "--merge")
    assert refused.code == 2
    assert broken.read_text() == "{"


def test_json_owns_standard_output_and_words_own_standard_error(cluster: Workplace) -> None:
    done = cluster.run("flows.status", "--json")
    json.loads(done.out)
    assert "Account: the local cloud" in done.err
    quiet = cluster.run("flows.status")
    assert quiet.out == ""
    assert "k8s-node" in quiet.err


def test_teardown_of_nothing_is_fine(workplace: Workplace) -> None:
    before = workplace.changes()
    done = workplace.run("flows.teardown", "--name", "ghost", "--yes", "--json")
    assert done.json["items"] == []
    assert workplace.changes() == before


@pytest.fixture
def cut(workplace: Workplace) -> Iterator[Workplace]:
    """A workplace whose cluster `cut` is gone afterwards, whatever happened to it."""
    yield workplace
    down = workplace.run("flows.teardown", "--name", "cut", "--yes")
    assert down.code == 0, down.err


@pytest.mark.parametrize("after", ["public address of", "load balancer of", "packages on node"])
def test_a_killed_provision_goes_on_when_run_again(cut: Workplace, after: str) -> None:
    process = cut.start("flows.provision", "--name", "cut", "--no-ui", "--no-demo")
    assert process.stderr is not None
    seen = next((line for line in process.stderr if after in line), "")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert seen, "the step was never finished"

    report = cut.run("flows.provision", "--name", "cut", "--json", "--no-ui", "--no-demo").json
    assert len(report["nodes"]) == 3
    assert all(node["ready"] for node in report["nodes"])
    assert len({machine["id"] for machine in report["machines"]}) == 3
