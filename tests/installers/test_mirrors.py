"""Mirrors and registries that fail: the next one is used, and nothing of the failed one."""

import json
from pathlib import Path

import pytest

from localcloud.machines.repositories import MirrorFault
from localcloud.parts import Component
from tests.localcloud.machines.machine_lab import (
    MASTER,
    MASTER_SCRIPT,
    NODE_SCRIPT,
    make_machine_spec,
    master_settings,
    node_settings,
    open_lab,
    run,
)

FIRST, ALL = "mirrors.aliyun.com", ("mirrors.aliyun.com", "mirrors.tuna.tsinghua.edu.cn")


@pytest.mark.parametrize("fault", MirrorFault, ids=lambda fault: fault.name.lower())
def test_the_next_mirror_is_used_for_everything(tmp_path: Path, fault: MirrorFault) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            machine = await lab.boot(make_machine_spec(system="debian 13"))
            machine.context.shared.mirror_faults[FIRST] = fault
            lab.shorten_pauses()
            done = await lab.install(NODE_SCRIPT, node_settings(NODE_IP=MASTER), "install")
            assert done.exit_status == 0, done.stderr
            assert "mirror aliyun cannot be used" in str(done.stderr)
            state = (lab.disk("i-one") / "var/lib/k8s-installer/result.json").read_text()
            assert json.loads(state)["package_mirror"] == "tuna"
            files = [*(lab.disk("i-one") / "etc/apt").rglob("*.list")]
            assert files
            assert not any("aliyun" in file.read_text() for file in files)

    run(story())


@pytest.mark.parametrize("system", ["debian 12", "rocky 9"])
def test_of_a_key_file_only_the_pinned_key_is_trusted(tmp_path: Path, system: str) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            machine = await lab.boot(make_machine_spec(system=system))
            for host in ALL:
                machine.context.shared.mirror_faults[host] = MirrorFault.ROGUE
            lab.shorten_pauses()
            settings = node_settings(NODE_IP=MASTER, PACKAGE_MIRROR="aliyun tuna")
            done = await lab.install(NODE_SCRIPT, settings, "install")
            assert done.exit_status == 21, done.stderr
            assert "No mirror has all packages" in str(done.stderr)
            assert "kubelet" not in machine.context.state.packages

    run(story())


REGISTRY = "registry.aliyuncs.com"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (MirrorFault.WAF_PAGE, "text/html"),
        (MirrorFault.FORBIDDEN, "403 Forbidden"),
        (MirrorFault.MISSING, "not found"),
        (MirrorFault.LAGGING, "kube-apiserver:v1.36.4: not found"),
        (MirrorFault.HALF_SYNCHRONISED, "not found"),
    ],
    ids=lambda value: getattr(value, "name", "").lower(),
)
def test_images_come_from_the_next_repository_under_the_names_of_the_first(
    tmp_path: Path, fault: MirrorFault, reason: str
) -> None:
    """The names are the same on all machines of a cluster, whatever each of them could reach."""

    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            machine = await lab.boot(make_machine_spec())
            machine.context.shared.mirror_faults[REGISTRY] = fault
            lab.shorten_pauses()
            done = await lab.install(MASTER_SCRIPT, master_settings())
            assert done.exit_status == 0, done.stderr
            assert str(done.stderr).count("repository registry.aliyuncs.com") == 1
            state = (lab.disk("i-one") / "var/lib/k8s-installer/result.json").read_text()
            result = json.loads(state)
            assert result["image_repository"] == "registry.k8s.io"
            assert reason in result["refused_mirrors"]
            images = machine.context.state.images
            for name in ("kube-apiserver:v1.36.4", "coredns:v1.14.2", "pause:3.10.2"):
                assert f"{REGISTRY}/google_containers/{name}" in images
            again = await lab.install(MASTER_SCRIPT, master_settings())
            assert "nothing to do" in str(again.stdout), again.stdout

    run(story())


def test_an_image_that_no_repository_has_is_named_with_each_reason(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            machine = await lab.boot(make_machine_spec())
            for host in (REGISTRY, "registry.k8s.io"):
                machine.context.shared.mirror_faults[host] = MirrorFault.LAGGING
            lab.shorten_pauses()
            done = await lab.install(NODE_SCRIPT, node_settings(NODE_IP=MASTER), "install")
            assert done.exit_status == 22, done.stderr
            error = str(done.stderr).splitlines()[-1]
            assert error.startswith("ERROR No repository has all images of Kubernetes 1.36.4: ")
            assert f"{REGISTRY}/google_containers: kube-proxy:v1.36.4: not found" in error
            assert "registry.k8s.io: kube-proxy:v1.36.4: not found" in error

    run(story())


def test_a_disk_that_fills_while_packages_or_images_come_is_named(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            lab.shorten_pauses()
            await lab.machines.fail("i-one", Component.DISK)
            script = lab.disk("i-one") / "opt/installers/lib/base.sh"
            settings = node_settings(NODE_IP=MASTER)
            refused = await lab.install(NODE_SCRIPT, settings, "install")
            assert "and the packages need 1500 MiB" in str(refused.stderr)
            # Here it fills after the check: apt-get says it.
            script.write_text(script.read_text().replace("((available >= $2))", "true"))
            command = lab.installation(NODE_SCRIPT, settings, "install")
            full = await lab.run(command)
            assert full.exit_status == 15
            assert "The disk takes no more packages: E: You don't have enough" in str(full.stderr)

            await lab.machines.recover("i-one", Component.DISK)
            await lab.install(NODE_SCRIPT, settings, "install")
            await lab.machines.fail("i-one", Component.DISK)
            pulled = await lab.run("crictl pull docker.io/library/nginx:1.30")
            assert pulled.exit_status == 1
            assert "no space left on device" in str(pulled.stderr).splitlines()[-1]

    run(story())
