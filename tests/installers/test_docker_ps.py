"""Monitor scripts that were written for Docker, on a machine that runs containerd."""

import asyncio
import shlex
from pathlib import Path
from typing import Any

from domain.node.shell import Output
from domain.observe.metrics.scripts import DISK, MEMORY, RUN, read_number
from localcloud.kubernetes.client import MASTERS
from tests.localcloud.machines.machine_lab import (
    Lab,
    make_machine_spec,
    master_settings,
    open_lab,
    run,
)

PODS = "/api/v1/namespaces/default/pods"

# Such scripts skip the headings and the pause containers, then count.
ARTICLE = "docker ps | grep -v CONTAINER | grep -v pause | grep nginx | wc -l"
QUIET = "docker ps -q | wc -l"


def make_pod(name: str, containers: int = 1, image: str = "nginx") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "nodeName": "k8s-master-one",
            "containers": [{"name": f"c{n}", "image": image} for n in range(containers)],
        },
    }


async def master_with_pods(lab: Lab, *pods: dict[str, Any]) -> None:
    """A master that runs these pods beside those of its own."""
    await lab.boot(make_machine_spec())
    done = await lab.install("k8s_master_installer.sh", master_settings())
    assert done.exit_status == 0, done.stderr
    api = lab.plane().client(MASTERS)
    for pod in pods:
        await api.request("POST", PODS, body=pod)
    async with asyncio.timeout(60):
        async for _ in api.watch(PODS):
            found = await api.request("GET", PODS)
            if all(one.get("status", {}).get("phase") == "Running" for one in found["items"]):
                return


async def measured(lab: Lab, script: str) -> float | str:
    """Return the sample of a custom monitor with this script on the machine."""
    done = await lab.run(shlex.join(["bash", "-c", RUN, "monitor", script, "10"]))
    return read_number(Output(str(done.stdout), str(done.stderr), done.exit_status or 0))


def test_scripts_count_containers_and_pods_as_on_docker(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master_with_pods(lab, make_pod("web-1"), make_pod("web-2", containers=2))
            assert await measured(lab, ARTICLE) == 3
            everything = await measured(lab, QUIET)
            sandboxes = await measured(lab, "docker ps | grep k8s_POD_ | wc -l")
            assert isinstance(everything, float)
            assert isinstance(sandboxes, float)
            assert everything == sandboxes * 2 + 1  # one pod has two containers
            listed = str((await lab.run("docker ps")).stdout).splitlines()
            assert listed[0].split()[:3] == ["CONTAINER", "ID", "IMAGE"]
            assert len(listed) == everything + 1
            assert any("nginx" in line and "k8s_c1_web-2_default_0" in line for line in listed)

    run(story())


def test_unknown_docker_commands_are_refused_and_void_the_sample(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master_with_pods(lab)
            sample = await measured(lab, "set -o pipefail; docker images | wc -l")
            assert str(sample).startswith("the script ended with exit code 2: docker: this machine")
            done = await lab.run("docker images")
            assert done.exit_status == 2
            assert "use crictl" in str(done.stderr)
            await lab.run("systemctl stop containerd")
            done = await lab.run("docker ps")
            assert (done.exit_status, str(done.stdout)) == (1, "")

    run(story())


def test_memory_and_disk_of_a_machine_are_measured(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            assert await measured(lab, MEMORY) == 20.0
            disk = await measured(lab, DISK)
            assert isinstance(disk, float)
            assert 0 < disk < 100

    run(story())


def test_a_real_docker_is_not_replaced(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            real = lab.disk("i-one") / "usr/bin/docker"
            real.parent.mkdir(parents=True, exist_ok=True)
            real.write_text("#!/bin/sh\n")
            done = await lab.install("k8s_master_installer.sh", master_settings())
            assert done.exit_status == 0, done.stderr
            assert not (lab.disk("i-one") / "usr/local/bin/docker").exists()

    run(story())
