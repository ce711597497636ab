"""Bad input: one sentence, exit code 2, nothing created, no traceback."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from clients.qingcloud import QingCloud
from tests.acceptance.workplace import Workplace


@pytest.fixture
def environment(workplace: Workplace) -> dict[str, str]:
    """The local cloud's account, as variables."""
    return dict(json.loads(workplace.run("localcloud", "env", "--json").out))


def refused(workplace: Workplace, *words: str, **more: str) -> str:
    before = workplace.changes()
    done = workplace.run("flows.provision", *words, **more)
    assert done.code == 2, done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert workplace.changes() == before
    return done.sentence


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        pytest.param({"network": {"pod_cidr": "192.168.64.0/18"}}, "overlaps", id="overlap"),
        pytest.param({"network": {"pod_cidr": "10.244.0.0/27"}}, "no room", id="too small"),
        pytest.param({"name": "Wrong_Name"}, "lower-case letters", id="name"),
        pytest.param({"nodes": {"cout": 3}}, "unknown key 'nodes.cout'", id="unknown key"),
        pytest.param(
            {"nodes": {"template": {"image": "plan 9"}}}, "available are: CentOS", id="image"
        ),
        pytest.param(
            {"nodes": {"template": {"image": "centos 7"}}}, "ubuntu 22.04 or 24.04", id="system"
        ),
        pytest.param(
            {"nodes": {"template": {"instance_type": "huge"}}}, "available are: ", id="type"
        ),
        pytest.param({"access": {"ui_port": 8080}}, "taken by api_port", id="port twice"),
        pytest.param({"nodes": {"count": 99}}, "outside 0 to 10", id="count"),
        pytest.param(
            {"notifications": {"services": ["foo/bar"]}}, "known are dingtalk-robot", id="service"
        ),
        pytest.param(
            {"notifications": {"services": ["dingtalk-robot/none"]}}, "named 'none'", id="block"
        ),
    ],
)
def test_an_invalid_file_is_refused(
    workplace: Workplace, tmp_path: Path, document: dict[str, Any], sentence: str
) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(yaml.safe_dump(document))
    assert sentence in refused(workplace, "--file", str(file))
    assert sentence in refused(workplace, "--file", str(file), "--plan")


def test_a_missing_file_or_one_that_is_not_yaml_is_refused(
    workplace: Workplace, tmp_path: Path
) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("nodes: [")
    assert "not valid YAML" in refused(workplace, "--file", str(file))
    assert "cannot be read" in refused(workplace, "--file", str(tmp_path / "none"))


def test_a_fraction_of_a_machine_is_refused(workplace: Workplace) -> None:
    assert refused(workplace, "--nodes", "2.6") == "--nodes 2.6 is not a whole number"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param("scale --count 2.5", "--count 2.5 is not a whole number", id="scale"),
        pytest.param("autoscale --name nothere", "there is no cluster nothere", id="autoscale"),
        pytest.param("autoscale --name nothere --dry-run", "no cluster nothere", id="dry run"),
        pytest.param(
            "autoscale --load burst:9 --chart x.svg",
            "--load and --chart need --replay",
            id="flags without a partner",
        ),
        pytest.param("autoscale --replay pending --hours 0", "must be above 0", id="no hours"),
    ],
)
def test_commands_refuse_invalid_flags(workplace: Workplace, words: str, sentence: str) -> None:
    command, *flags = words.split()
    done = workplace.run(f"flows.{command}", *flags)
    assert done.code == 2, done.err
    assert sentence in done.sentence


def test_an_unknown_flag_or_account_is_refused(workplace: Workplace) -> None:
    assert "--nodez" in refused(workplace, "--nodez", "3")
    assert "no account block named 'nobody'" in refused(workplace, "--account", "nobody")


def test_an_invalid_secret_zone_or_endpoint_is_refused(
    workplace: Workplace, environment: dict[str, str]
) -> None:
    wrong = environment | {"QINGCLOUD_SECRET_ACCESS_KEY": "wrong"}
    sentence = refused(workplace, **wrong)
    assert "secret" in sentence.lower()
    assert "wrong" not in sentence.replace("wrong secret", "")
    elsewhere = environment | {"QINGCLOUD_ZONE": "mars1"}
    assert "zone 'mars1'" in refused(workplace, **elsewhere)
    nowhere = environment | {"QINGCLOUD_ENDPOINT": "http://127.0.0.1:9/iaas/"}
    assert "127.0.0.1" in refused(workplace, **nowhere)
    half = {"QINGCLOUD_ZONE": "local1"}
    assert "QINGCLOUD_ACCESS_KEY_ID" in refused(workplace, **half)


def test_a_port_in_use_is_refused(workplace: Workplace) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        file = workplace.home / "port.yaml"
        file.write_text(f"access: {{api_port: {port}}}\n")
        assert str(port) in refused(workplace, "--file", str(file))


def test_a_name_in_use_is_refused_and_its_resource_not_changed(
    workplace: Workplace, environment: dict[str, str]
) -> None:
    cloud = QingCloud(
        environment["QINGCLOUD_ZONE"],
        environment["QINGCLOUD_ACCESS_KEY_ID"],
        environment["QINGCLOUD_SECRET_ACCESS_KEY"],
        environment["QINGCLOUD_ENDPOINT"],
    )
    router_id, _ = cloud.create_vpc("k8s.taken.router", "172.16.0.0/16", "")
    try:
        sentence = refused(workplace, "--name", "taken")
        assert router_id in sentence
        assert "172.16.0.0/16" in sentence
    finally:
        cloud.delete_vpc(router_id)


def test_billed_changes_need_a_confirmation(
    workplace: Workplace, environment: dict[str, str]
) -> None:
    billed = environment | {"QINGCLOUD_BILLS": "1"}
    assert "--allow 127.0.0.1/32" in refused(workplace, "--name", "paid", "--allow", "9.9.9.0/24")
    assert "allowed_cidrs" in refused(workplace, "--name", "paid", **billed)
    sentence = refused(workplace, "--name", "paid", "--allow", "127.0.0.0/8", **billed)
    assert "--yes" in sentence


def test_commands_on_a_missing_cluster_name_it(workplace: Workplace) -> None:
    for command in (["status"], ["demo"], ["ui"], ["kubeconfig"], ["scale", "--count", "3"]):
        done = workplace.run(f"flows.{command[0]}", *command[1:], "--name", "ghost")
        assert done.code == 2, done.err
        assert "there is no cluster ghost" in done.sentence


def test_debug_shows_the_traceback(workplace: Workplace) -> None:
    done = workplace.run("flows.status", "--name", "ghost", "--debug")
    assert done.code != 0
    assert "Traceback" in done.err
