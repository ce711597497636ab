"""A machine's part in a Kubernetes cluster: its kubelet and, on a master, the control plane."""

import asyncio
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from localcloud.database import erase
from localcloud.kubernetes.client import MASTERS, ApiClient
from localcloud.kubernetes.kubelet import Kubelet, NodeConfig
from localcloud.kubernetes.planes import BootstrapToken, Plane, PlaneConfig
from localcloud.parts import Ailment

if TYPE_CHECKING:
    from localcloud.machines.machine import Machine

API_PORT = 6443
_RETRY = 0.5  # seconds between a kubelet's attempts to reach its API server
KUBERNETES = "etc/kubernetes"


class ClusterPart:
    """Starts and stops what kubeadm has set up; what that was stands in the machine's state."""

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine
        self.plane: Plane | None = None
        self.ailments: set[Ailment] = set()
        self._kubelet: Kubelet | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def _data(self) -> Path:
        """Where the plane keeps its objects, as etcd keeps them on the master's disk."""
        return self._machine.folder / "cluster.db"

    async def start_plane(self) -> Plane:
        """Serve the API on the machine's address; a plane that stopped goes on where it was."""
        machine = self._machine
        if self.plane is None:
            self.plane = machine.world.planes.create(self._plane_config())
        if Ailment.API_SERVER in self.ailments:
            return self.plane
        await self.plane.start()
        with suppress(OSError):  # it listens already: only the kubelet was restarted
            machine.world.fabric.listen(
                machine.birth.vpc, machine.birth.address, API_PORT, self.plane.accept
            )
        return self.plane

    def _plane_config(self) -> PlaneConfig:
        machine, known = self._machine, self._machine.state.control_plane
        assert known is not None, "kubeadm init has not run"
        pki = machine.disk / KUBERNETES / "pki"
        birth, fabric = machine.birth, machine.world.fabric
        return PlaneConfig(
            name=known["name"],
            version=known["version"],
            vpc=birth.vpc,
            address=birth.address,
            ca_certificate=(pki / "ca.crt").read_bytes(),
            ca_key=(pki / "ca.key").read_bytes(),
            server_certificate=(pki / "apiserver.crt").read_bytes(),
            server_key=(pki / "apiserver.key").read_bytes(),
            pod_cidr=known["pod_cidr"],
            service_cidr=known["service_cidr"],
            bootstrap_tokens=tuple(
                BootstrapToken(token, datetime.fromisoformat(ends) if ends else None)
                for token, ends in known["tokens"]
            ),
            dial=lambda address, port: fabric.dial(birth.vpc, birth.address, address, port),
            node_cidr_mask=known["node_cidr_mask"],
            data=self._data,
        )

    async def start_kubelet(self) -> None:
        """Start what the kubelet service runs; before init or join it has nothing to run."""
        if self._machine.state.node is None or self._starting is not None:
            return
        if Ailment.KUBELET not in self.ailments:
            await self._start_static_pods()
        self._starting = asyncio.create_task(self._keep_trying())

    async def _start_static_pods(self) -> None:
        """Do what a master's kubelet does first; the control plane is a static pod of it."""
        if self._machine.state.control_plane is not None:
            await self.start_plane()

    async def wait_for_kubelet(self) -> None:
        """Wait until the kubelet has registered its node."""
        assert self._starting is not None, "the kubelet was not started"
        await asyncio.shield(self._starting)

    async def _keep_trying(self) -> None:
        """Wait until the cluster's control plane is on this cloud again, as after its restart."""
        clock = self._machine.world.clock
        if Ailment.KUBELET in self.ailments:
            while Ailment.KUBELET in self.ailments:
                await clock.sleep(_RETRY)
            await self._start_static_pods()
        while not await self._try_to_start():
            await clock.sleep(_RETRY)

    async def _try_to_start(self) -> bool:
        machine, node = self._machine, self._machine.state.node
        assert node is not None
        plane = machine.world.planes.find_by_ca_hash(node["ca_hash"])
        if plane is None:
            return False
        kubelet = Kubelet(
            self._kubelets_client(plane),
            self._node_config(node),
            machine.world.fabric,
            machine.world.clock,
            machine.world.profile,
        )
        await kubelet.start()
        self._kubelet = kubelet
        return True

    def _kubelets_client(self, plane: Plane) -> ApiClient:
        """One client for all kubelets of a cluster: those that share one share their watches."""
        clients = self._machine.world.kubelet_clients
        if plane not in clients:
            clients[plane] = plane.client(MASTERS)
        return clients[plane]

    def _node_config(self, node: dict[str, Any]) -> NodeConfig:
        birth = self._machine.birth
        return NodeConfig(
            name=node["name"],
            vpc=birth.vpc,
            address=birth.address,
            version=node["version"],
            max_pods=node["max_pods"],
            vcpus=birth.vcpus,
            memory_mib=birth.memory_mib,
            os_image=self._machine.system.name,
            labels=node["labels"],
            taints=tuple(node["taints"]),
            static_pods=tuple(self._static_pods()),
        )

    def _static_pods(self) -> list[dict[str, Any]]:
        folder = self._machine.disk / KUBERNETES / "manifests"
        return [yaml.safe_load(file.read_text()) for file in sorted(folder.glob("*.yaml"))]

    def running_pods(self) -> list[dict[str, Any]]:
        """The pods whose containers run here, as the API had them last."""
        pods = [] if self._kubelet is None else self._kubelet.pods()
        return [pod for pod in pods if pod.get("status", {}).get("phase") == "Running"]

    async def stop_kubelet(self) -> None:
        """Stop the kubelet; as on a real machine its containers, the API server too, run on."""
        if self._starting is not None:
            self._starting.cancel()
            with suppress(asyncio.CancelledError):
                await self._starting
            self._starting = None
        if self._kubelet is not None:
            await self._kubelet.stop()
            self._kubelet = None

    async def power_off(self) -> None:
        """Stop all; the plane keeps its objects for the next boot."""
        await self.stop_kubelet()
        await self._stop_plane()

    async def _stop_plane(self) -> None:
        if self.plane is not None:
            birth = self._machine.birth
            self._machine.world.fabric.close(birth.vpc, birth.address, API_PORT)
            await self.plane.stop()

    async def fall_ill(self, ailment: Ailment) -> None:
        """Stop what an ailment of the machine hits."""
        if ailment is Ailment.KUBELET:
            await self.stop_kubelet()
        elif ailment is Ailment.API_SERVER:
            await self._stop_plane()

    async def recover(self, ailment: Ailment) -> None:
        """Start what an ailment had stopped."""
        if ailment is Ailment.API_SERVER:
            await self._start_static_pods()
        elif ailment is Ailment.KUBELET and self._machine.units.is_active("kubelet"):
            await self.start_kubelet()

    async def forget(self) -> None:
        """Stop all for good, as `kubeadm reset` does."""
        await self.power_off()
        self.plane = None
        erase(self._data)
        self._machine.state.node = None
        self._machine.state.control_plane = None
