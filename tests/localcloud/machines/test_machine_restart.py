"""Machines whose daemon ends: the next one resumes them without a boot."""

from pathlib import Path

import pytest

from localcloud.kubernetes.client import MASTERS, ApiFailure
from localcloud.parts import Userdata, UserdataKind
from tests.localcloud.machines.machine_lab import make_machine_spec, master_settings, open_lab, run

EACH_BOOT = Userdata(UserdataKind.EXEC, b'#!/bin/bash\necho up >> "$SYSROOT/root/boots"\n', "")


def test_machine_is_resumed_without_another_boot(tmp_path: Path) -> None:
    async def story() -> None:
        spec = make_machine_spec(userdata=EACH_BOOT)
        async with open_lab(tmp_path) as lab:
            await lab.boot(spec)
            await lab.wait_for_line("i-one", "root/boots", "up")
            key = (lab.disk("i-one") / "etc/ssh/ssh_host_ed25519_key").read_text()
        async with open_lab(tmp_path) as lab:
            await lab.boot(spec)
            assert (await lab.run("cat boots")).stdout == "up\n"
            assert (lab.disk("i-one") / "etc/ssh/ssh_host_ed25519_key").read_text() == key
            await lab.machines.halt("i-one")
        async with open_lab(tmp_path) as lab:
            await lab.boot(spec)
            await lab.wait_for_line("i-one", "root/boots", "up", times=2)

    run(story())


def test_first_boot_that_was_killed_is_repeated(tmp_path: Path) -> None:
    async def story() -> None:
        (tmp_path / "i-one/disk/etc").mkdir(parents=True)
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            assert (await lab.run("cat /dev/null && echo booted")).stdout == "booted\n"

    run(story())


def test_folders_of_unknown_machines_are_erased(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            (tmp_path / "i-stale/disk").mkdir(parents=True)
            lab.machines.erase_unknown({"i-one"})

    run(story())
    assert sorted(one.name for one in tmp_path.iterdir()) == [".tools", "i-one"]


def test_cluster_resumes_with_its_objects_and_its_node_pod_networks(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            settings = master_settings(POD_CIDR="10.244.0.0/16", NODE_CIDR_MASK="26")
            done = await lab.install("k8s_master_installer.sh", settings)
            assert done.exit_status == 0, done.stderr
            api = lab.plane().client(MASTERS)
            before = await api.request("GET", "/api/v1/nodes/k8s-master-one")
            assert before["spec"]["podCIDR"].endswith("/26")
        async with open_lab(tmp_path) as lab:
            machine = await lab.boot(make_machine_spec())
            await machine.cluster.wait_for_kubelet()
            api = lab.plane().client(MASTERS)
            after = await api.request("GET", "/api/v1/nodes/k8s-master-one")
            assert after["metadata"]["uid"] == before["metadata"]["uid"]
            assert after["spec"]["podCIDR"] == before["spec"]["podCIDR"]

    run(story())


def test_reset_machine_starts_its_next_cluster_without_the_objects_of_the_last(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            assert (
                await lab.install("k8s_master_installer.sh", master_settings())
            ).exit_status == 0
            path = "/api/v1/namespaces/default/configmaps"
            body = {"metadata": {"name": "old"}}
            await lab.plane().client(MASTERS).request("POST", path, body=body)
            assert (await lab.run("kubeadm reset -f")).exit_status == 0
            assert not (tmp_path / "i-one/cluster.db").exists()
            # The installer's mark of a cluster that must never be reset.
            assert (await lab.run("rm $SYSROOT/var/lib/k8s-installer/initialised")).exit_status == 0
            done = await lab.install("k8s_master_installer.sh", master_settings())
            assert done.exit_status == 0, done.stderr
            with pytest.raises(ApiFailure, match="NotFound"):
                await lab.plane().client(MASTERS).request("GET", f"{path}/old")

    run(story())
