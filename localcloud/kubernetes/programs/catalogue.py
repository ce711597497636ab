"""Which programs a pod runs, by the images of its containers."""

from collections.abc import Callable
from typing import Any, Protocol

from localcloud.kubernetes.programs.cloud_controller import CloudController
from localcloud.kubernetes.programs.csi_controller import CsiController
from localcloud.kubernetes.programs.csi_node import CsiNode
from localcloud.kubernetes.programs.place import Place

Obj = dict[str, Any]


class Program(Protocol):
    async def run(self) -> None:
        """Run until cancelled. Raises `Broken` where the program ends at its start."""
        ...


_DRIVER, _REGISTRAR = "csi-qingcloud", "csi-node-driver-registrar"
_SIDECARS = ("csi-provisioner", "csi-attacher")


def find_programs(pod: Obj) -> list[tuple[Obj, Callable[[Place], Program]]]:
    """Return the containers of a pod that do work of their own, each with its program.

    A CSI driver alone does nothing: its sidecars, or the node's registrar, ask it to.
    """
    containers = {_name_of(one["image"]): one for one in pod["spec"]["containers"]}
    if found := containers.get("cloud-controller-manager"):
        return [(found, CloudController)]
    if driver := containers.get(_DRIVER):
        if _REGISTRAR in containers:
            return [(driver, CsiNode)]
        if all(one in containers for one in _SIDECARS):
            return [(driver, CsiController)]
    return []


def _name_of(image: str) -> str:
    return image.split("@")[0].rsplit("/", 1)[-1].split(":")[0]
