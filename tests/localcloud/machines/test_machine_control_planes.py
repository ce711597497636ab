"""kubeadm after init: certificates, further masters, upgrades; in the words of the real one."""

import asyncio
import json
import re
import ssl
from pathlib import Path
from typing import Any

import pytest

from localcloud.kubernetes.client import MASTERS
from tests.localcloud.machines.machine_lab import (
    MASTER,
    MASTER_SCRIPT,
    NODE,
    NODE_SCRIPT,
    TOKEN,
    Lab,
    make_machine_spec,
    master_settings,
    node_settings,
    open_lab,
    run,
)

PKI = "etc/kubernetes/pki"
JOIN = """\
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
nodeRegistration: {name: k8s-master-two}
controlPlane: {certificateKey: "KEY"}
discovery:
  bootstrapToken:
    {apiServerEndpoint: "k8s-api.demo.internal:6443", token: "TOKEN", caCertHashes: ["HASH"]}
"""


async def master(lab: Lab, **changes: str) -> None:
    await lab.boot(make_machine_spec())
    done = await lab.install(MASTER_SCRIPT, master_settings(**changes))
    assert done.exit_status == 0, done.stderr


async def installed(lab: Lab, **changes: str) -> dict[str, str]:
    """A second machine with all packages. Returns: where it is."""
    await lab.boot(make_machine_spec("i-two", NODE))
    place = {"instance_id": "i-two", "address": NODE}
    done = await lab.install(NODE_SCRIPT, node_settings(**changes), "install", **place)
    assert done.exit_status == 0, done.stderr
    with (lab.disk("i-two") / "etc/hosts").open("a") as hosts:
        hosts.write(f"{MASTER} k8s-api.demo.internal\n")
    return place


async def succeeds(lab: Lab, command: str, address: str = MASTER) -> str:
    done = await lab.run(command, address)
    assert done.exit_status == 0, f"{command}: {done.stderr!s}"
    return str(done.stdout)


async def fails(lab: Lab, command: str, address: str = MASTER) -> str:
    done = await lab.run(command, address)
    assert done.exit_status == 1, f"{command}: {done.stdout!s}"
    assert "To see the stack trace of this error" in str(done.stderr)
    return str(done.stderr)


async def read(lab: Lab, path: str) -> Any:
    return await lab.plane().client(MASTERS).request("GET", path)


async def certificate_of(lab: Lab, address: str = MASTER) -> bytes:
    """The certificate that the API server of a master shows."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = lab.fabric.dial("rtr-lab", NODE, address, 6443)
    _, writer = await asyncio.open_connection(sock=connection, ssl=context, server_hostname="x")
    try:
        found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return found
    finally:
        writer.close()


# --- certificates ----------------------------------------------------------------------------


def test_all_certificates_are_listed_with_their_ends_and_renewed(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master(lab)
            shown = await succeeds(lab, "kubeadm certs check-expiration")
            rows = [line.split() for line in shown.splitlines() if " UTC " in line]
            assert [row[0] for row in rows] == [
                "admin.conf", "apiserver", "apiserver-etcd-client", "apiserver-kubelet-client",
                "controller-manager.conf", "etcd-healthcheck-client", "etcd-peer", "etcd-server",
                "front-proxy-client", "scheduler.conf", "super-admin.conf",
                "ca", "etcd-ca", "front-proxy-ca",
            ]  # fmt: skip
            assert rows[0][6:] == ["364d", "ca", "no"]
            assert [row[6:] for row in rows[-3:]] == [["9y", "no"]] * 3
            described = json.loads(await succeeds(lab, "kubeadm certs check-expiration -o json"))
            assert described["certificates"][7]["caName"] == "etcd-ca"

            before = (lab.disk("i-one") / PKI / "apiserver.crt").read_bytes()
            renewed = await succeeds(lab, "kubeadm certs renew all")
            assert "certificate for serving the Kubernetes API renewed" in renewed
            assert "You must restart the kube-apiserver" in renewed
            assert (lab.disk("i-one") / PKI / "apiserver.crt").read_bytes() != before
            again = await lab.install(MASTER_SCRIPT, master_settings())
            assert "nothing to do" in str(again.stdout)

    run(story())


def test_an_api_server_uses_a_renewed_certificate_after_its_restart_only(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master(lab)
            cluster = lab.machines.find("i-one").cluster
            shown = await certificate_of(lab)
            await succeeds(lab, "kubeadm certs renew apiserver")
            await cluster.follow_manifests()
            assert await certificate_of(lab) == shown
            manifest = lab.disk("i-one") / "etc/kubernetes/manifests/kube-apiserver.yaml"
            text = manifest.read_text()
            manifest.unlink()
            await cluster.follow_manifests()
            with pytest.raises(ConnectionRefusedError):
                lab.fabric.dial("rtr-lab", NODE, MASTER, 6443)
            manifest.write_text(text)
            await cluster.follow_manifests()
            assert await certificate_of(lab) != shown

    run(story())


def test_a_missing_certificate_is_named(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master(lab)
            (lab.disk("i-one") / "etc/kubernetes/super-admin.conf").unlink()
            shown = await succeeds(lab, "kubeadm certs check-expiration")
            assert "!MISSING! super-admin.conf" in shown
            renewed = await succeeds(lab, "kubeadm certs renew super-admin.conf")
            assert (
                "MISSING! certificate embedded in the kubeconfig file for the super-admin"
                in renewed
            )

    run(story())


# --- further masters -------------------------------------------------------------------------


async def write_join(lab: Lab, key: str, name: str = "k8s-master-two") -> None:
    text = JOIN.replace("KEY", key).replace("TOKEN", TOKEN).replace("HASH", lab.plane().ca_hash)
    file = lab.disk("i-two") / "root/join.yaml"
    file.write_text(text.replace("k8s-master-two", name))


async def upload_certs(lab: Lab) -> str:
    shown = await succeeds(lab, "kubeadm init phase upload-certs --upload-certs")
    lines = shown.splitlines()
    assert lines[-2] == "[upload-certs] Using certificate key:"
    assert re.fullmatch(r"[0-9a-f]{64}", lines[-1])
    return lines[-1]


def test_a_second_master_serves_the_same_objects_with_its_own_certificate(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master(lab)
            await installed(lab)
            key = await upload_certs(lab)
            secret = await read(lab, "/api/v1/namespaces/kube-system/secrets/kubeadm-certs")
            assert len(secret["data"]) == 8
            assert key not in json.dumps(secret)
            await write_join(lab, key)
            shown = await succeeds(lab, "kubeadm join --config join.yaml", NODE)
            assert "a new control plane instance was created" in shown

            for name in ("ca.crt", "ca.key", "sa.key", "etcd/ca.key", "front-proxy-ca.key"):
                pair = [(lab.disk(one) / PKI / name).read_bytes() for one in ("i-one", "i-two")]
                assert pair[0] == pair[1], name
            assert await certificate_of(lab) != await certificate_of(lab, NODE)
            assert not (lab.disk("i-two") / "etc/kubernetes/super-admin.conf").exists()
            node = await read(lab, "/api/v1/nodes/k8s-master-two")
            assert "node-role.kubernetes.io/control-plane" in node["metadata"]["labels"]
            admin = 'export KUBECONFIG="$SYSROOT/etc/kubernetes/admin.conf"; kubectl get nodes'
            assert "k8s-master-one" in await succeeds(lab, admin, NODE)

            await lab.machines.halt("i-two")
            await lab.boot(make_machine_spec("i-two", NODE))
            await certificate_of(lab, NODE)
            await succeeds(lab, "kubeadm reset -f", NODE)
            with pytest.raises(ConnectionRefusedError):
                lab.fabric.dial("rtr-lab", MASTER, NODE, 6443)
            await read(lab, "/api/v1/nodes/k8s-master-two")  # reset leaves it
            await certificate_of(lab)

    run(story())


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("", "One or more conditions for hosting a new control plane instance is not satisfied"),
        ("0" * 64, "cipher: message authentication failed"),
        ("0" * 62, "invalid key size 31"),
        ("zz", "invalid certificate key"),
    ],
)
def test_a_second_master_without_the_right_key_is_refused(
    tmp_path: Path, key: str, sentence: str
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master(lab)
            await installed(lab)
            await upload_certs(lab)
            await write_join(lab, key)
            assert sentence in await fails(lab, "kubeadm join --config join.yaml", NODE)

    run(story())


def test_shared_certificates_that_have_ended_are_named(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master(lab)
            await installed(lab)
            await write_join(lab, "0" * 64)
            said = await fails(lab, "kubeadm join --config join.yaml", NODE)
            assert 'Secret "kubeadm-certs" was not found' in said

    run(story())


def test_the_name_of_a_node_that_is_ready_is_taken(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master(lab)
            await installed(lab)
            await write_join(lab, await upload_certs(lab), name="k8s-master-one")
            ready = "kubectl wait --for=condition=Ready nodes k8s-master-one"
            await succeeds(lab, f'KUBECONFIG="$SYSROOT/etc/kubernetes/admin.conf" {ready}')
            said = await fails(lab, "kubeadm join --config join.yaml", NODE)
            assert 'a Node with name "k8s-master-one" and status "Ready" already exists' in said

    run(story())


# --- upgrades --------------------------------------------------------------------------------


async def upgrade_packages(lab: Lab, version: str, *names: str, address: str = MASTER) -> None:
    for name in names:
        change = f"apt-get install -y --allow-change-held-packages {name}={version}-*"
        await succeeds(lab, change, address)


async def add_source(lab: Lab, minor: str, instance_id: str = "i-one") -> None:
    """The packages of another minor version, as an upgrade configures them."""
    file = lab.disk(instance_id) / "etc/apt/sources.list.d/kubernetes.list"
    file.write_text(file.read_text().replace("v1.36", f"v{minor}"))


def test_a_cluster_is_upgraded_master_first_and_each_kubelet_by_its_restart(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master(lab, K8S_VERSION="1.36.3")
            place = await installed(lab, K8S_VERSION="1.36.3")
            settings = node_settings(
                K8S_VERSION="1.36.3", JOIN_TOKEN=TOKEN, CA_HASH=lab.plane().ca_hash
            )
            joined = await lab.install(NODE_SCRIPT, settings, "join", **place)
            assert joined.exit_status == 0, joined.stderr
            assert "Awesome" not in await succeeds(lab, "kubeadm upgrade plan")
            for name in ("i-one", "i-two"):
                await add_source(lab, "1.37", name)
                address = MASTER if name == "i-one" else NODE
                await succeeds(lab, "apt-get update", address)
                await upgrade_packages(lab, "1.37.1", "kubeadm", address=address)

            plan = await succeeds(lab, "kubeadm upgrade plan")
            assert re.search(r"kubelet +k8s-node-two +v1\.36\.3 +v1\.37\.1\n", plan)
            assert re.search(r"etcd +k8s-master-one +3\.6\.8-0 +3\.7\.0-0\n", plan)
            assert "kubeadm upgrade apply v1.37.1" in plan
            before = (lab.disk("i-one") / PKI / "apiserver.crt").read_bytes()
            applied = await succeeds(lab, "kubeadm upgrade apply v1.37.1 --yes")
            assert (
                'SUCCESS! A control plane node of your cluster was upgraded to "v1.37.1"' in applied
            )
            assert (lab.disk("i-one") / PKI / "apiserver.crt").read_bytes() != before
            pod = await read(
                lab, "/api/v1/namespaces/kube-system/pods/kube-apiserver-k8s-master-one"
            )
            assert pod["spec"]["containers"][0]["image"].endswith(":v1.37.1")
            proxy = await read(lab, "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy")
            image = proxy["spec"]["template"]["spec"]["containers"][0]["image"]
            assert image.endswith("/kube-proxy:v1.37.1")

            shown = await succeeds(lab, "kubeadm upgrade node", NODE)
            assert "Skipping prepull. Not a control plane node." in shown
            node = "/api/v1/nodes/k8s-node-two"
            await upgrade_packages(lab, "1.37.1", "kubelet", address=NODE)
            seen = await read(lab, node)
            assert seen["status"]["nodeInfo"]["kubeletVersion"] == "v1.36.3"
            await succeeds(lab, "systemctl restart kubelet", NODE)
            seen = await read(lab, node)
            assert seen["status"]["nodeInfo"]["kubeletVersion"] == "v1.37.1"

    run(story())


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("v1.37.0", "at least one minor release higher than the kubeadm minor release (37 > 36)"),
        ("v1.38.0", "is too high; kubeadm can upgrade only 1 minor version at a time"),
        ("v1.36.9", 'is higher than the kubeadm version "v1.36.4"'),
        ("v1.35.9", "Kubeadm version v1.36.4 can only be used to upgrade to Kubernetes version"),
        ("v1.34.1", "is too low; kubeadm can downgrade only 1 minor version at a time"),
    ],
)
def test_an_upgrade_that_skips_or_goes_back_is_refused(
    tmp_path: Path, wanted: str, sentence: str
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master(lab)
            said = await fails(lab, f"kubeadm upgrade apply {wanted} --yes")
            assert "the version argument is invalid due to these" in said
            assert sentence in said

    run(story())


def test_an_upgrade_is_refused_while_a_master_is_not_ready_or_the_kubelet_stopped(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master(lab, K8S_VERSION="1.36.3")
            await upgrade_packages(lab, "1.36.4", "kubeadm")
            await succeeds(lab, "systemctl stop kubelet")
            said = await fails(lab, "kubeadm upgrade apply v1.36.4 --yes")
            assert "kubeadm has tried to recover everything into the earlier state" in said
            manifest = lab.disk("i-one") / "etc/kubernetes/manifests/etcd.yaml"
            assert "3.6.8-0" in manifest.read_text()

    run(story())
