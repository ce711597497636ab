"""The installers from end to end on a real system, and what disturbs them."""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clients.ssh import SshMachine
from domain.kernel.errors import CommandFailed, TemporaryError
from domain.node.install import FOLDER, upload_ca, upload_installers
from domain.secrets.pki import CertifiedKey, ca_hash, make_cluster_ca, make_server_certificate
from tasks.installers import installer_files
from tests.machines.machine import MASTER_SCRIPT, NODE_SCRIPT, TOKEN, Machine, new_machine
from tests.machines.mirror import CONTAINERD, Mirrors

RESULT = "/var/lib/k8s-installer/result.json"
ENDPOINT = "k8s-api.demo.internal"
HOLDER = r"""
foreach my $path ("/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock") {
    open(my $file, "+>", $path) or die;
    my $lock = pack("s s x4 q q i x4", 1, 0, 0, 0, 0);  # F_WRLCK, the whole file
    fcntl($file, 6, $lock) or die;  # F_SETLK
    push(@held, $file);
}
sleep 12;
"""
"""Takes apt's locks, as the upgrades of the first boot do, for a while."""

ARCHIVES = "/var/cache/apt/archives"


def result_of(machine: Machine) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(machine.run(f"cat {RESULT}"))
    return loaded


@pytest.fixture(scope="module")
def authority() -> CertifiedKey:
    return make_cluster_ca(datetime.now(UTC))


@pytest.fixture(scope="module")
def node(
    mirrors: Mirrors, authority: CertifiedKey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """An installed node, beside a server that answers as an API server does."""
    with new_machine(mirrors, tmp_path_factory.mktemp("node")) as machine:
        assert machine.install(machine.settings(), "install") is True
        pair = make_server_certificate(authority, [ENDPOINT], datetime.now(UTC), timedelta(days=1))
        info = "api/v1/namespaces/kube-public/configmaps/cluster-info"
        with machine.connect() as shell:
            shell.write_file("/root/ca.crt", authority.certificate.encode(), 0o644)
            shell.write_file("/srv/api/pair", (pair.certificate + pair.key).encode(), 0o600)
            shell.write_file("/srv/api/livez", b"ok", 0o644)
            signed = json.dumps({"data": {f"jws-kubeconfig-{TOKEN.id}": "x"}})
            shell.write_file(f"/srv/api/{info}", signed.encode(), 0o644)
        serve_api(machine)
        yield machine


def serve_api(machine: Machine) -> None:
    machine.run(
        "systemd-run --quiet --unit api --working-directory /srv/api "
        "openssl s_server -accept 6443 -cert pair -key pair -WWW -quiet"
    )


def join_settings(machine: Machine, authority: CertifiedKey, **changes: str) -> dict[str, str]:
    known = {"JOIN_TOKEN": TOKEN.value, "CA_HASH": ca_hash(authority.certificate)}
    return machine.settings(**known, **changes)


def test_a_node_is_installed_joins_and_has_nothing_to_do_after_a_reboot(
    node: Machine, authority: CertifiedKey
) -> None:
    versions = node.run("dpkg-query -W containerd.io kubelet; apt-mark showhold")
    assert CONTAINERD in versions
    assert versions.split()[-4:] == ["containerd.io", "kubeadm", "kubectl", "kubelet"]
    assert node.install(node.settings(), "install") is False, result_of(node)
    node.guest.halt()
    node.guest.boot()
    serve_api(node)
    assert node.install(node.settings(), "install") is False, result_of(node)
    settings = join_settings(node, authority)
    assert node.install(settings, "join") is True
    assert TOKEN.value.partition(".")[2] not in node.run("cat /var/lib/k8s-installer/*")
    node.guest.halt()
    node.guest.boot()
    serve_api(node)
    assert node.install(settings) is False, result_of(node)
    assert node.run("systemctl is-active containerd kubelet; hostname").split() == [
        "active", "active", "k8s-node-one",
    ]  # fmt: skip
    order = node.run("systemctl show kubelet -p After --value").split()
    assert "containerd.service" in order


def test_images_come_from_the_next_repository_under_the_names_of_the_first(node: Machine) -> None:
    node.run("rm -r /var/lib/standin-images; echo registry.example.org >/run/refused-registries")
    settings = node.settings(IMAGE_REPOSITORY="registry.example.org/k8s mirror.example.org")
    try:
        assert node.install(settings, "install") is True
        assert "mirror.example.org/pause:3.10.2" not in node.run("cat /etc/containerd/config.toml")
        for name in ("pause:3.10.2", "kube-proxy:v1.36.4"):
            node.run(f"crictl --timeout 20s inspecti -q registry.example.org/k8s/{name}")
        result = result_of(node)
        assert result["image_repository"] == "mirror.example.org"
        reason = "registry.example.org/k8s: kube-proxy:v1.36.4: not found"
        assert reason in result["refused_mirrors"]
        assert node.install(settings, "install") is False
    finally:
        node.run("rm /run/refused-registries")
        node.install(node.settings(), "install")


def test_a_deleted_node_registers_again_without_its_old_pod_network(
    node: Machine, authority: CertifiedKey
) -> None:
    node.install(join_settings(node, authority))
    node.run("touch /run/node-deleted; ip link add cni0 type bridge; mkdir -p /run/flannel")
    node.run("touch /run/flannel/subnet.env")
    assert node.install(join_settings(node, authority), "join") is True
    assert "cni0" not in node.run("ip link; ls /run /run/flannel")
    assert "subnet.env" not in node.run("ls /run/flannel")
    node.run("test ! -e /run/node-deleted")


def test_a_failed_join_leaves_no_token_and_no_colours_in_its_error(
    node: Machine, authority: CertifiedKey
) -> None:
    node.run("kubeadm reset -f; touch /run/join-fails")
    try:
        with pytest.raises(CommandFailed, match="kubelet-start: timed out") as caught:
            node.install(join_settings(node, authority), "join")
        assert "\x1b" not in str(caught.value)
        left = node.run(f"grep -rl {TOKEN.value} /etc/kubernetes /var/lib /run || true")
        assert left == ""
    finally:
        node.run("rm -f /run/join-fails")
    assert node.install(join_settings(node, authority), "join") is True


def test_an_unknown_token_is_named(node: Machine, authority: CertifiedKey) -> None:
    node.run("kubeadm reset -f")
    settings = join_settings(node, authority) | {"JOIN_TOKEN": "zzzzzz.0123456789abcdef"}
    with pytest.raises(CommandFailed, match="does not know the join token zzzzzz"):
        node.install(settings, "join")


def test_a_proxy_of_the_machine_is_not_used_for_the_cluster(
    node: Machine, authority: CertifiedKey
) -> None:
    proxies = "".join(f"{name}=http://192.0.2.1:3128\n" for name in ("https_proxy", "HTTPS_PROXY"))
    with node.connect() as shell:
        shell.write_file("/etc/environment", proxies.encode(), 0o644)
    try:
        assert "192.0.2.1" in node.run("env"), "sshd does not hand the proxies on"
        node.run("kubeadm reset -f")
        assert node.install(join_settings(node, authority), "join") is True
        assert node.run("cat /run/kubeadm-proxies") == ""
    finally:
        node.run("rm /etc/environment")


def run_until(shell: SshMachine, command: str, last: str) -> None:
    """Run a command, and break the connection at a line that begins so."""

    def on_line(line: str) -> None:
        if line.startswith(last):
            shell.close()
            raise ConnectionAbortedError

    shell.run(["bash", "-c", command], deadline=60, on_line=on_line)


@contextmanager
def without_packages(machine: Machine) -> Iterator[None]:
    machine.run("dpkg --purge --force-all kubeadm containerd.io; apt-get clean")
    yield


def test_a_full_disk_is_named_as_such(node: Machine) -> None:
    with without_packages(node):
        node.run(f"mount -t tmpfs -o size=20k small {ARCHIVES}")
        try:
            with pytest.raises(CommandFailed, match="The disk takes no more packages") as caught:
                node.install(node.settings(), "install")
            assert caught.value.exit_code == 15
        finally:
            node.run(f"umount {ARCHIVES}")
        assert node.install(node.settings(), "install") is True


def test_a_small_disk_is_refused_before_the_first_package(node: Machine) -> None:
    with without_packages(node):
        node.run("fallocate -l 1000M /var/fill")
        try:
            with pytest.raises(CommandFailed, match="and the packages need 1500 MiB"):
                node.install(node.settings(), "install")
        finally:
            node.run("rm /var/fill")
        assert node.install(node.settings(), "install") is True


@pytest.mark.parametrize("mirror", ["http://192.0.2.1/mirror", "http://mirror.invalid/mirror"])
def test_without_a_network_it_is_said_before_apt_tries(node: Machine, mirror: str) -> None:
    """No route to the address, and no answer to the name."""
    with without_packages(node):
        settings = node.settings() | {"PACKAGE_MIRROR": mirror}
        with pytest.raises(TemporaryError, match="does this machine reach the internet"):
            node.install(settings, "install")
        assert node.install(node.settings(), "install") is True


def test_packages_that_another_program_locks_are_waited_for(node: Machine) -> None:
    with node.connect() as shell:
        shell.write_file("/root/holder", HOLDER.encode(), 0o644)
    with without_packages(node):
        node.run("systemd-run --quiet --unit holder perl /root/holder; sleep 1")
        node.run("! apt-get update")
        node.progress.clear()
        assert node.install(node.settings(), "install") is True
    assert any(line.endswith(", 10 s") for line in node.progress), node.progress


def test_a_clock_before_the_authority_is_refused(node: Machine) -> None:
    future = make_cluster_ca(datetime.now(UTC) + timedelta(days=10))
    with node.connect() as shell:
        upload_ca(shell, future)
    try:
        with pytest.raises(CommandFailed, match="before the cluster's certificate authority"):
            node.install(node.settings(JOIN_TOKEN=TOKEN.value), script=MASTER_SCRIPT)
    finally:
        node.run("rm -r /etc/kubernetes/pki")


@pytest.mark.parametrize("moment", ["in apt", "in the wait for the API server"])
def test_a_lost_connection_is_no_success_and_the_next_run_goes_on(
    node: Machine, authority: CertifiedKey, mirrors: Mirrors, moment: str
) -> None:
    node.run(f"rm -rf {RESULT} /etc/kubernetes")
    settings = join_settings(node, authority, API_WAIT="20")
    if moment == "in apt":
        words = ["install"]
        node.run("dpkg --purge --force-all kubeadm containerd.io; apt-get clean")
        mirrors.hold.clear()
    else:
        words = ["join"]
        node.run("systemctl stop api")
    try:
        with node.connect() as shell:
            upload_installers(shell, installer_files())
            env = "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())
            shell.write_file("/root/env", env.encode(), 0o600)
            last = "Get:" if moment == "in apt" else "PHASE join start"
            with pytest.raises(TemporaryError):
                run_until(shell, f"bash {FOLDER}/{NODE_SCRIPT} --env /root/env {words[0]}", last)
    finally:
        mirrors.hold.set()
    node.run(f"for i in $(seq 600); do [[ -e {RESULT} ]] && exit; sleep 0.1; done; exit 1")
    assert (result_of(node)["result"], result_of(node)["exit_code"]) == ("failed", 1)
    if moment != "in apt":
        serve_api(node)
    assert node.install(settings) is True
