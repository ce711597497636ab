"""A master's installer on a real system, and what an image may have switched on before."""

import pytest

from domain.kernel.errors import CommandFailed
from tests.machines.machine import MASTER_SCRIPT, TOKEN, new_machine
from tests.machines.mirror import Mirrors

SWAPS = "Filename Type Size Used Priority\\n/dev/absent partition 2097148 0 -2\\n"
FIREWALL = "[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=/bin/true\\n"


@pytest.mark.parametrize("firewall", ["yes", "no"])
def test_a_master_is_installed_over_what_its_image_has(
    mirrors: Mirrors, tmp_path_factory: pytest.TempPathFactory, firewall: str
) -> None:
    """Swap, cloud-init and a firewall, which is active as a unit also where it is off."""
    with new_machine(mirrors, tmp_path_factory.mktemp("master")) as machine:
        machine.run(
            f"printf '{SWAPS}' >/run/swaps && mount --bind /run/swaps /proc/swaps;"
            "install -m 755 /dev/stdin /usr/local/sbin/swapoff <<<'#!/bin/sh\nexit 1';"
            "echo '/dev/absent none swap sw 0 0' >>/etc/fstab;"
            "mkdir -p /etc/cloud /etc/ufw && touch /etc/cloud/cloud.cfg;"
            f"echo ENABLED={firewall} >/etc/ufw/ufw.conf;"
            f"printf '{FIREWALL}' >/etc/systemd/system/ufw.service; systemctl start ufw"
        )
        settings = machine.settings(JOIN_TOKEN=TOKEN.value)
        with pytest.raises(CommandFailed, match="Swap cannot be turned off"):
            machine.install(settings, script=MASTER_SCRIPT)
        # A guest has no swap of its own: what the kernel would do, this does.
        machine.run("sed -i 's/exit 1/umount -l \\/proc\\/swaps/' /usr/local/sbin/swapoff")
        assert machine.install(settings, script=MASTER_SCRIPT) is True
        assert "# off for kubelet: /dev/absent" in machine.run("cat /etc/fstab")
        is_active = machine.run("systemctl is-active ufw || true").strip()
        assert is_active == ("inactive" if firewall == "yes" else "active")
        kept = machine.run("cat /etc/cloud/cloud.cfg.d/*.cfg")
        assert kept == "manage_etc_hosts: false\npreserve_hostname: true\n"
        assert "kubernetesAPICall: 5m0s" in machine.run("cat /run/kubeadm-init")
        assert machine.install(settings, script=MASTER_SCRIPT) is False, machine.progress
        left = machine.run(f"grep -rl {TOKEN.value} /etc /var/lib || true")
        assert left == ""
