"""A machine's part in a Kubernetes cluster: its kubelet and, on a master, the control plane."""

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Any

import yaml

from localcloud.kubernetes.client import MASTERS, ApiClient
from localcloud.kubernetes.kubelet import Kubelet, NodeConfig
from localcloud.kubernetes.planes import BootstrapToken, Plane, PlaneConfig, erase_objects
from localcloud.machines.context import MachineContext
from localcloud.parts import Component

API_PORT = 6443
_RETRY = 0.5  # seconds between a kubelet's attempts to reach its API server
KUBERNETES = "etc/kubernetes"


class ClusterPart:
    """Starts and stops what kubeadm has set up, by its record in the machine's state."""

    def __init__(self, context: MachineContext) -> None:
        self._context = context
        self.plane: Plane | None = None
        self._kubelet: Kubelet | None = None
        self._starting: asyncio.Task[None] | None = None

    async def start_plane(self) -> Plane:
        """Serve the API on the machine's address; a stopped plane is resumed."""
        shared, spec = self._context.shared, self._context.spec
        if self.plane is None:
            self.plane = shared.planes.create(self._plane_config())
        if Component.API_SERVER in self._context.failed:
            return self.plane
        await self.plane.start()
        with suppress(OSError):  # it listens already: only the kubelet was restarted
            shared.fabric.listen(spec.vpc, spec.address, API_PORT, self.plane.accept)
        return self.plane

    def _plane_config(self) -> PlaneConfig:
        context, known = self._context, self._context.state.control_plane
        assert known is not None, "kubeadm init has not run"
        pki = context.disk / KUBERNETES / "pki"
        return PlaneConfig(
            name=known["name"],
            version=known["version"],
            vpc=context.spec.vpc,
            address=context.spec.address,
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
            dial=context.dial,
            node_cidr_mask=known["node_cidr_mask"],
            data=context.cluster_data,
        )

    async def start_kubelet(self) -> None:
        """Start the kubelet; before init or join there is none."""
        if self._context.state.node is None or self._starting is not None:
            return
        if Component.KUBELET not in self._context.failed:
            await self._start_static_pods()
        self._starting = asyncio.create_task(self._keep_trying())

    async def _start_static_pods(self) -> None:
        """Start the control plane, which is a static pod of a master's kubelet."""
        if self._context.state.control_plane is not None:
            await self.start_plane()

    async def wait_for_kubelet(self) -> None:
        """Wait until the kubelet has registered its node."""
        assert self._starting is not None, "the kubelet was not started"
        await asyncio.shield(self._starting)

    async def _keep_trying(self) -> None:
        """Retry until the cluster's control plane runs on this cloud again, as after a restart."""
        clock = self._context.shared.clock
        if Component.KUBELET in self._context.failed:
            while Component.KUBELET in self._context.failed:
                await clock.sleep(_RETRY)
            await self._start_static_pods()
        while not await self._try_to_start():
            await clock.sleep(_RETRY)

    async def _try_to_start(self) -> bool:
        shared, node = self._context.shared, self._context.state.node
        assert node is not None
        plane = shared.planes.find_by_ca_hash(node["ca_hash"])
        if plane is None:
            return False
        kubelet = Kubelet(
            self._kubelets_client(plane),
            self._node_config(node),
            shared.fabric,
            shared.clock,
            shared.profile,
        )
        await kubelet.start()
        self._kubelet = kubelet
        return True

    def _kubelets_client(self, plane: Plane) -> ApiClient:
        """Return the one client of all kubelets of a cluster, so that they share its watches."""
        clients = self._context.shared.kubelet_clients
        if plane not in clients:
            clients[plane] = plane.client(MASTERS)
        return clients[plane]

    def _node_config(self, node: dict[str, Any]) -> NodeConfig:
        spec = self._context.spec
        return NodeConfig(
            name=node["name"],
            vpc=spec.vpc,
            address=spec.address,
            version=node["version"],
            max_pods=node["max_pods"],
            vcpus=spec.vcpus,
            memory_mib=spec.memory_mib,
            os_image=self._context.system.name,
            labels=node["labels"],
            taints=tuple(node["taints"]),
            static_pods=tuple(self._static_pods()),
        )

    def _static_pods(self) -> list[dict[str, Any]]:
        folder = self._context.disk / KUBERNETES / "manifests"
        return [
            yaml.safe_load(file.read_text(encoding="utf-8"))
            for file in sorted(folder.glob("*.yaml"))
        ]

    def running_pods(self) -> list[dict[str, Any]]:
        """Return the pods whose containers run here, in their last known state."""
        pods = [] if self._kubelet is None else self._kubelet.pods()
        return [pod for pod in pods if pod.get("status", {}).get("phase") == "Running"]

    async def stop_kubelet(self) -> None:
        """Stop the kubelet; as on a real machine, its containers keep running."""
        if self._starting is not None:
            self._starting.cancel()
            # kubeadm, which waited for it, has reported why it failed.
            await asyncio.gather(self._starting, return_exceptions=True)
            self._starting = None
        if self._kubelet is not None:
            await self._kubelet.stop()
            self._kubelet = None

    async def power_off(self) -> None:
        """Stop everything; the plane keeps its objects for the next boot."""
        await self.stop_kubelet()
        await self._stop_plane()

    async def _stop_plane(self) -> None:
        if self.plane is not None:
            spec = self._context.spec
            self._context.shared.fabric.close(spec.vpc, spec.address, API_PORT)
            await self.plane.stop()

    async def fail(self, component: Component) -> None:
        """Stop a failed component."""
        if component is Component.KUBELET:
            await self.stop_kubelet()
        elif component is Component.API_SERVER:
            await self._stop_plane()

    async def recover(self, component: Component) -> None:
        """Start a recovered component."""
        if component is Component.API_SERVER:
            await self._start_static_pods()
        elif component is Component.KUBELET:
            await self.start_kubelet()

    async def forget(self) -> None:
        """Stop everything and delete the cluster's data, as `kubeadm reset` does."""
        await self.power_off()
        if self.plane is not None:
            self._context.shared.kubelet_clients.pop(self.plane, None)
            self._context.shared.planes.forget(self.plane)
            self.plane = None
        erase_objects(self._context.cluster_data)
        self._context.state.node = None
        self._context.state.control_plane = None
