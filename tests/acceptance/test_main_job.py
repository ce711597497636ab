"""The main job: from nothing to a working cluster, and everything a user then types."""

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from clients.certificates import read_certificate_end
from clients.kubernetes import ClusterClient
from domain.cloud.jobs import wait_for_jobs
from domain.cloud.records import InstanceSpec
from domain.kernel.waiting import wait_for
from domain.secrets.kubeconfig import ClusterAccess
from domain.secrets.pki import (
    ADMINS,
    CertifiedKey,
    make_client_certificate,
    make_server_certificate,
    make_ssh_keypair,
)
from tests.acceptance.workplace import Done, Workplace, ask, clean_environment
from tests.recording_proxy import RecordingProxy

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


def test_status_holds_machines_nodes_api_and_ui(cluster: Workplace, proxy: RecordingProxy) -> None:
    status = cluster.run("flows.status", "--json", **proxy.variables).json
    assert proxy.seen == []
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
    assert changed[0]["reason"] == "2 exist, 4 wanted"
    assert cluster.changes() == before


def test_one_more_node_changes_no_other_machine_and_scale_removes_it(
    cluster: Workplace, proxy: RecordingProxy
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

    shrunk = cluster.run("flows.scale", "--count", "2", "--json", **proxy.variables).json
    assert proxy.seen == []
    assert len(shrunk["machines"]) == len(shrunk["nodes"]) == 3
    assert whole(cluster)

    changes = cluster.changes()
    assert len(cluster.run("flows.provision", "--json").json["machines"]) == 3
    assert cluster.changes() == changes


def test_a_deleted_forward_is_drift_which_a_repair_ends(cluster: Workplace) -> None:
    cloud = cluster.client()
    [vpc] = cloud.find_vpcs("k8s.demo.router")
    lost = [one.id for one in cloud.list_port_forwards(vpc.id) if one.spec.name == "k8s.demo.ui"]
    cloud.delete_port_forwards(lost)
    wait_for_jobs(cloud, [cloud.update_router(vpc.id)])
    found = cluster.run("flows.drift", "--json")
    assert found.code == 1
    assert "cluster demo differs from its description in 1 point" in found.sentence
    [difference] = json.loads(found.out)["differences"]
    assert (difference["kind"], difference["name"]) == ("missing", "k8s.demo.ui")
    repaired = cluster.run("flows.drift", "--repair", "--yes", "--json")
    assert (repaired.code, repaired.json["differences"]) == (0, [])
    assert whole(cluster)


def test_a_living_cluster_leaves_nothing_to_sweep_and_its_teardown_is_planned(
    cluster: Workplace,
) -> None:
    before = cluster.changes()
    assert cluster.run("flows.sweep", "--json").json["items"] == []
    planned = cluster.run("flows.teardown", "--plan", "--json")
    assert {item["action"] for item in planned.json["items"]} == {"delete"}
    assert cluster.changes() == before


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


def test_the_ui_is_reported_with_a_read_only_token(cluster: Workplace) -> None:
    ui = cluster.run("flows.ui", "--json").json
    assert ui["url"].endswith(":8443")
    assert ui["token"].count(".") == 2


def test_a_cluster_is_well_and_a_script_runs_on_its_machines(
    cluster: Workplace, tmp_path: Path
) -> None:
    report = cluster.run("flows.check", "--json").json
    levels = {one["subject"]: one["level"] for one in report["findings"]}
    assert len(levels) == 11
    assert {subject for subject, level in levels.items() if level != "ok"} <= {"alarms", "backups"}
    script = tmp_path / "script.sh"
    script.write_text("f2cadmin waitUntilServerUp k8s-master 5 && [[ $(hostname) != k8s-node-* ]]")
    failed = cluster.run("flows.run_script", "--script", str(script))
    assert failed.code == 1
    assert "did not end well on 2 of 2 machines of k8s-node" in failed.sentence


def test_a_deleted_object_comes_back_from_a_backup(cluster: Workplace, tmp_path: Path) -> None:
    folder, phrase = str(tmp_path / "backups"), {"BACKUP_PASS_PHRASE": "correct horse battery"}
    url = cluster.run("flows.status", "--json").json["api"]["url"]
    ca, now = cluster_ca(cluster), datetime.now(UTC)
    admin = make_client_certificate(ca, "test", ADMINS, now, timedelta(hours=1))
    access = ClusterAccess(url, ca.certificate, admin.certificate, admin.key)
    shop = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    later = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "later"}}
    with ClusterClient(access) as api:
        api.apply(shop)
    made = cluster.run("flows.backup", "--store", folder, "--json", **phrase).json
    assert (made["objects"]["Namespace"], made["cluster"]) == (6, "demo")
    with ClusterClient(access) as api:
        api.delete("Namespace", "shop")
        api.apply(later)
    wrong = {"BACKUP_PASS_PHRASE": "another horse battery"}
    refused = cluster.run("flows.restore", "--store", folder, "--yes", **wrong)
    assert refused.code == 2
    assert "the pass phrase does not fit this backup" in refused.sentence
    report = cluster.run("flows.restore", "--store", folder, "--yes", "--json", **phrase).json
    assert all(node["ready"] for node in report["nodes"])
    with ClusterClient(access) as api:
        assert api.read("Namespace", "shop")
        assert api.read("Namespace", "later") is None
    assert whole(cluster)


def test_a_certificate_of_the_ui_that_ends_soon_is_renewed(cluster: Workplace) -> None:
    ui = cluster.run("flows.status", "--json").json["ui"]["url"]
    ca, now = cluster_ca(cluster), datetime.now(UTC)
    names = (urlsplit(ui).hostname or "",)
    short = make_server_certificate(ca, names, now, timedelta(days=29))
    admin = make_client_certificate(ca, "test", ADMINS, now, timedelta(hours=1))
    url = ui.replace(":8443", ":8080")
    access = ClusterAccess(url, ca.certificate, admin.certificate, admin.key)
    secret = {"metadata": {"name": "kube-ui-tls", "namespace": "kube-system"}}
    data = {"tls.crt": short.certificate, "tls.key": short.key}
    with ClusterClient(access) as api:
        api.apply({"apiVersion": "v1", "kind": "Secret", **secret, "stringData": data})
        for pod in api.list_pods(namespace="kube-system", selector="app=kube-ui"):
            api.delete("Pod", pod.name, "kube-system")  # it reads its certificate at its start

    def days_left() -> int:
        return (read_certificate_end(ui, ca.certificate) - now).days

    wait_for(lambda: days_left() <= 29 or None, what="the short certificate")
    assert cluster.run("flows.ui").code == 0
    assert days_left() > 300


def cluster_ca(workplace: Workplace) -> CertifiedKey:
    """The CA of the only cluster, as the Prefect server gives it to those who know its auth."""
    blocks = ask(workplace, "block_documents/filter", {"include_secrets": True})
    (data,) = (b["data"] for b in blocks if b["block_type"]["slug"] == "cluster-credentials")
    return CertifiedKey(data["ca_certificate"], data["ca_key"])


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

    before = mine.read_text()
    refused = cluster.run("flows.kubeconfig", "--out", str(mine))
    assert refused.code == 2
    assert "other contexts (work)" in refused.sentence
    assert mine.read_text() == before
    assert cluster.run("flows.kubeconfig", "--out", str(alone)).code == 0
    assert cluster.run("flows.kubeconfig", "--out", str(tmp_path / "no/where")).code == 2
    assert not (tmp_path / "no").exists()

    broken = tmp_path / "broken"
    broken.write_text("{")
    refused = cluster.run("flows.kubeconfig", "--out", str(broken), "--merge")
    assert refused.code == 2
    assert broken.read_text() == "{"


def test_json_goes_to_standard_output_and_text_to_standard_error(cluster: Workplace) -> None:
    done = cluster.run("flows.status", "--json")
    json.loads(done.out)
    assert "Account: the local cloud" in done.err
    quiet = cluster.run("flows.status")
    assert quiet.out == ""
    assert "k8s-node" in quiet.err


def test_a_change_of_a_fixed_value_is_refused_and_not_stored(
    cluster: Workplace, tmp_path: Path
) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("{kubernetes: {version: 1.36.5}, network: {pod_cidr: 10.100.0.0/16}}")
    before = cluster.changes()
    refused = cluster.run("flows.provision", "--file", str(file))
    assert refused.code == 2
    assert "kubernetes.version is 1.36.4, wanted is 1.36.5" in refused.sentence
    assert "network.pod_cidr is 10.244.0.0/16" in refused.sentence
    file.write_text(
        "{kubernetes: {version: 1.36.4}, nodes: {template: {instance_type: s1.xlarge.r2}}}"
    )
    plan = cluster.run("flows.provision", "--file", str(file), "--plan", "--json").json
    kept = {i["name"]: i["reason"] for i in plan["items"] if i["kind"] == "machine"}
    assert "s1.xlarge.r2 is for new machines" in kept["k8s.demo.k8s-node"]
    assert cluster.changes() == before


def test_a_scale_that_was_interrupted_names_the_machine_that_is_billed(cluster: Workplace) -> None:
    words = ("flows.scale", "--count", "3")
    ended = end_after(cluster, "machines k8s-node of", signal.SIGINT, *words)
    assert ended.code == 130
    told = next(line for line in ended.err.splitlines() if "are billed: " in line)
    assert told.count("machine i-") == 1
    assert "flows.teardown" not in ended.err
    assert cluster.run("flows.scale", "--count", "2").code == 0
    assert whole(cluster)


def test_a_machine_made_by_hand_is_not_removed(cluster: Workplace) -> None:
    cloud = cluster.client()
    node = cloud.find_instances("k8s.demo.k8s-node")[0]
    key = cloud.create_keypair("mine", make_ssh_keypair().public_key)
    machine = InstanceSpec(
        node.name,
        1,
        node.image_id,
        node.type_id,
        40,
        node.vxnet_id,
        key,
        node.security_group_id,
        userdata_attachment="",
    )
    launch = cloud.run_instances(machine)
    wait_for_jobs(cloud, [launch.job_id])
    refused = cluster.run("flows.scale", "--count", "2")
    wait_for_jobs(cloud, [cloud.terminate_instances(launch.instance_ids)])
    cloud.delete_keypairs([key])
    assert refused.code == 2
    assert f"{launch.instance_ids[0]} in k8s-node were made by hand" in refused.sentence
    assert whole(cluster)


def test_a_stored_description_is_not_overwritten_by_a_run_that_could_not_read_it(
    cluster: Workplace,
) -> None:
    cloud = cluster.client()
    (router,) = cloud.find_vpcs("k8s.demo.router")
    forwards = cloud.list_port_forwards(router.id)
    cloud.delete_port_forwards([f.id for f in forwards if f.spec.name.endswith(".api")])
    wait_for_jobs(cloud, [cloud.update_router(router.id)])
    blind = cluster.run("flows.provision", "--no-ui", "--no-demo")
    assert blind.code == 1
    assert "run the same command again" in blind.sentence
    assert whole(cluster)  # what it mended stays


def test_teardown_of_nothing_succeeds(workplace: Workplace) -> None:
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


CUT = ("flows.provision", "--name", "cut", "--no-ui", "--no-demo")


def end_after(workplace: Workplace, step: str, number: int, *words: str) -> Done:
    """Start a command, and send it a signal as soon as a step has finished."""
    process = workplace.start(*words)
    assert process.stderr is not None
    seen = next((line for line in process.stderr if step in line), "")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert seen, f"{step} was never finished"
    return Done(process.returncode, out, err)


@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("load balancer of", signal.SIGINT),
        ("load balancer of", signal.SIGTERM),
        ("packages on node", signal.SIGKILL),
    ],
)
def test_a_killed_or_interrupted_provision_continues_when_run_again(
    cut: Workplace, step: str, number: int
) -> None:
    ended = end_after(cut, step, number, *CUT)
    if number != signal.SIGKILL:
        assert ended.code == 128 + number
        assert "load balancer lb-" in ended.err  # among what is billed
        assert ended.sentence.startswith("interrupted")

    report = cut.run(*CUT, "--json").json
    assert len(report["nodes"]) == 3
    assert all(node["ready"] for node in report["nodes"])
    assert len({machine["id"] for machine in report["machines"]}) == 3


def test_nothing_is_added_after_a_teardown_has_begun_until_provision_removes_its_mark(
    cut: Workplace,
) -> None:
    end_after(cut, "router of", signal.SIGKILL, *CUT)
    busy = ("error", "--action", "DeleteRouters", "--code", "5100")  # so that it does not end
    assert cut.run("localcloud", "fault", *busy).code == 0
    down = ("flows.teardown", "--name", "cut", "--yes")
    end_after(cut, "teardown mark of", signal.SIGKILL, *down)
    assert cut.run("localcloud", "fault", "clear").code == 0

    before = cut.changes()
    refused = cut.run("flows.scale", "--name", "cut", "--count", "3")
    assert refused.code == 2
    assert "cluster cut is being torn down" in refused.sentence
    assert cut.changes() == before
    assert len(cut.run(*CUT, "--json").json["nodes"]) == 3


def test_of_runs_at_the_same_time_all_but_one_are_refused_by_name(
    cut: Workplace, tmp_path: Path
) -> None:
    routers = cut.cloud()["resources"].get("router", 0)  # `demo` may be there beside it
    account = json.loads(cut.run("localcloud", "env", "--json").out)
    there = clean_environment(tmp_path) | account
    for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING"):
        there[name] = cut.environment[name]
    late = ("latency", "--action", "CreateLoadBalancer", "--seconds", "15")
    assert cut.run("localcloud", "fault", *late).code == 0
    first = cut.start(*CUT)
    assert first.stderr is not None
    assert any("firewall of" in line for line in first.stderr)
    elsewhere = Workplace(tmp_path, there).start(*CUT)  # meanwhile it watches the first one's claim
    here = cut.run(*CUT)
    _, error = elsewhere.communicate(timeout=60)
    assert cut.run("localcloud", "fault", "clear").code == 0
    first.communicate(timeout=120)
    assert first.returncode == 0
    assert here.code == elsewhere.returncode == 2
    assert "another run on this machine is changing cluster cut: provision cut" in here.sentence
    assert "billed" not in here.err  # what is there is the first one's, which is not over
    assert f"cluster cut is being changed by provision cut (process {first.pid} of " in error
    assert cut.cloud()["resources"]["router"] == routers + 1


def test_a_rollback_deletes_resources_of_steps_that_still_ran_when_another_failed(
    cut: Workplace,
) -> None:
    before = cut.cloud()["resources"]
    for fault in (
        ("error", "--action", "CreateLoadBalancer", "--code", "1400"),
        ("latency", "--action", "RunInstances", "--seconds", "1"),
    ):
        assert cut.run("localcloud", "fault", *fault).code == 0
    failed = cut.run(*CUT, "--rollback")
    assert cut.run("localcloud", "fault", "clear").code == 0
    assert failed.code == 1
    assert "CreateLoadBalancer" in failed.sentence
    assert cut.cloud()["resources"] == before
