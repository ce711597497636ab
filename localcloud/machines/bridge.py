"""The bridge of a machine's pods, which outlives its node: kubeadm's reset leaves it."""

import shutil
from pathlib import Path

LINKS = "sys/class/net"
_BRIDGE, _OVERLAY = "cni0", "flannel.1"
_NETWORK = "network"  # no file of a real kernel: the address is elsewhere there
_FILES = ("etc/cni/net.d/10-flannel.conflist", "run/flannel/subnet.env")


class Bridge:
    """Made for a node's first network, and in the way of any other until it is deleted."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk

    def find_problem(self, network: str) -> str:
        """Return why no pod of this network fits, in the words of the plug-in, or nothing."""
        file = self._disk / LINKS / _BRIDGE / _NETWORK
        if file.exists():
            if file.read_text(encoding="utf-8") == network:
                return ""
            first = network.replace(".0/", ".1/")
            return (
                'plugin type="bridge" failed (add): failed to set bridge addr: "cni0" already has '
                f"an IP address different from {first}"
            )
        for link in (_BRIDGE, _OVERLAY):
            (self._disk / LINKS / link).mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            (self._disk / name).parent.mkdir(parents=True, exist_ok=True)
            (self._disk / name).write_text(f"{network}\n", encoding="utf-8")
        file.write_text(network, encoding="utf-8")
        return ""


def delete_link(disk: Path, name: str) -> bool:
    """Delete an interface. Returns: whether it existed."""
    folder = disk / LINKS / name
    if not name or not folder.is_dir():
        return False
    shutil.rmtree(folder)
    return True
