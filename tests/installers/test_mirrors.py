"""Package mirrors that fail: the next one is used for everything, and nothing of the failed one."""

import json
from pathlib import Path

import pytest

from localcloud.machines.repositories import MirrorFault
from tests.localcloud.machines.machine_lab import (
    MASTER,
    make_machine_spec,
    node_settings,
    open_lab,
    run,
)

NODE_SCRIPT = "k8s_node_installer.sh"
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
