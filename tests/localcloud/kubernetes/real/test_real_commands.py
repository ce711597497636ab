"""How the programs of a real control plane are found, called and configured."""

import base64
import json
from pathlib import Path

import pytest

from localcloud.kubernetes.real import commands
from localcloud.kubernetes.real.assets import PROGRAMS, Assets, AssetsMissing, find_assets
from localcloud.kubernetes.real.commands import Layout

ASSETS = Assets(Path("/assets"))
LAYOUT = Layout(
    folder=Path("/machines/i-1/control-plane"),
    egress_socket=Path("/tmp/egress-1/socket"),
    etcd_port=2379,
    peer_port=2380,
    api_port=6443,
    address="192.168.100.2",
    pod_cidr="10.244.0.0/16",
    service_cidr="10.96.0.0/16",
    node_cidr_mask=25,
)


def options(command: list[str]) -> dict[str, str]:
    """Return the options of a command line, each of which may occur once."""
    pairs = [word.removeprefix("--").partition("=")[::2] for word in command[1:]]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def make_program(folder: Path, name: str) -> None:
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)


def test_without_the_variable_there_are_no_assets():
    assert find_assets({}) is None
    assert find_assets({"KUBEBUILDER_ASSETS": ""}) is None


def test_a_whole_folder_is_found(tmp_path):
    for name in PROGRAMS:
        make_program(tmp_path, name)
    assert find_assets({"KUBEBUILDER_ASSETS": str(tmp_path)}) == Assets(tmp_path)


def test_a_missing_program_is_named_instead_of_taking_the_other_engine(tmp_path):
    make_program(tmp_path, "etcd")
    with pytest.raises(AssetsMissing, match="kube-apiserver, kube-controller-manager"):
        find_assets({"KUBEBUILDER_ASSETS": str(tmp_path)})


@pytest.mark.parametrize(
    "make",
    [
        commands.etcd_command,
        commands.apiserver_command,
        commands.controller_manager_command,
        commands.scheduler_command,
    ],
)
def test_every_program_is_called_from_the_assets_with_each_option_once(make):
    command = make(ASSETS, LAYOUT)
    assert Path(command[0]).parent == ASSETS.folder
    assert Path(command[0]).name in PROGRAMS
    assert all(word.startswith("--") for word in command[1:])
    assert options(command)


def test_nothing_listens_on_other_than_loopback_addresses():
    etcd = options(commands.etcd_command(ASSETS, LAYOUT))
    assert {etcd[name] for name in etcd if name.endswith("-urls")} == {
        "http://127.0.0.1:2379",
        "http://127.0.0.1:2380",
    }
    assert options(commands.apiserver_command(ASSETS, LAYOUT))["bind-address"] == "127.0.0.1"
    for make in (commands.controller_manager_command, commands.scheduler_command):
        assert options(make(ASSETS, LAYOUT))["secure-port"] == "0"


def test_the_programs_agree_on_networks_keys_and_addresses():
    api = options(commands.apiserver_command(ASSETS, LAYOUT))
    manager = options(commands.controller_manager_command(ASSETS, LAYOUT))
    assert api["advertise-address"] == LAYOUT.address
    assert api["etcd-servers"] == LAYOUT.etcd_url
    assert api["service-cluster-ip-range"] == manager["service-cluster-ip-range"]
    assert api["service-account-signing-key-file"] == manager["service-account-private-key-file"]
    assert api["client-ca-file"] == manager["root-ca-file"]
    assert manager["cluster-cidr"] == LAYOUT.pod_cidr
    assert manager["node-cidr-mask-size"] == "25"
    assert manager["controllers"] == "*,bootstrapsigner,tokencleaner"


def test_connections_to_the_cluster_use_the_socket():
    config = json.loads(commands.egress_config(LAYOUT))
    assert (config["apiVersion"], config["kind"]) == (
        "apiserver.k8s.io/v1beta1",
        "EgressSelectorConfiguration",
    )
    [selection] = config["egressSelections"]
    assert selection["name"] == "cluster"
    assert selection["connection"]["proxyProtocol"] == "HTTPConnect"
    assert selection["connection"]["transport"] == {"uds": {"udsName": str(LAYOUT.egress_socket)}}
    named = options(commands.apiserver_command(ASSETS, LAYOUT))["egress-selector-config-file"]
    assert named == LAYOUT.file("egress.yaml")


def test_a_kubeconfig_checks_the_certificate_of_the_private_address():
    config = json.loads(commands.kubeconfig(LAYOUT, b"ca", b"certificate", b"key"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    assert cluster["server"] == "https://127.0.0.1:6443"
    assert cluster["tls-server-name"] == LAYOUT.address
    assert base64.b64decode(user["client-key-data"]) == b"key"
    assert config["current-context"] == config["contexts"][0]["name"]
