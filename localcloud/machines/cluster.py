"""A machine's part in a Kubernetes cluster: its kubelet and, on a master, the control plane."""

import asyncio
from contextlib import suppress
from typing import Any

from localcloud.kubernetes.client import MASTERS, ApiClient, ApiFailure
from localcloud.kubernetes.kubelet import Kubelet, NodeConfig
from localcloud.kubernetes.kubelet.static_pods import MIRROR
from localcloud.kubernetes.planes import Plane
from localcloud.machines.bridge import Bridge
from localcloud.machines.context import MachineContext
from localcloud.machines.control_plane import API_PORT, KUBERNETES, ControlPlane
from localcloud.parts import Component

__all__ = ["API_PORT", "KUBERNETES", "ClusterPart"]

_RETRY = 0.5  # seconds between a kubelet's attempts to reach its API server
_LOOK_AT_MANIFESTS = 1.0  # seconds; a real kubelet watches the folder


class ClusterPart:
    """Starts and stops what kubeadm has set up, by its record in the machine's state."""

    def __init__(self, context: MachineContext) -> None:
        self._context = context
        self.control_plane = ControlPlane(context)
        self._following: asyncio.Task[None] | None = None
        self._kubelet: Kubelet | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def plane(self) -> Plane | None:
        """The cluster's plane, where this machine runs a part of it."""
        return self.control_plane.plane

    @property
    def has_kubelet(self) -> bool:
        """Whether a kubelet with a node runs here."""
        return self._kubelet is not None

    async def start_kubelet(self) -> None:
        """Start the kubelet; before init or join there is none."""
        if self._context.state.node is None or self._starting is not None:
            return
        if Component.KUBELET not in self._context.failed:
            await self.control_plane.start_missing()
        self._starting = asyncio.create_task(self._keep_trying())
        if self._context.state.control_plane is not None:
            self._following = asyncio.create_task(self._keep_following())

    async def _keep_following(self) -> None:
        """Let the static pods follow their manifests while the kubelet runs."""
        while True:
            await self._context.shared.clock.sleep(_LOOK_AT_MANIFESTS)
            if Component.KUBELET not in self._context.failed:
                await self.follow_manifests()

    async def follow_manifests(self) -> None:
        """Let the static pods follow their manifests now."""
        await self.control_plane.follow()
        if self._kubelet is not None:
            with suppress(ApiFailure, OSError):  # they are reported when the API server answers
                await self._kubelet.use_static_pods(tuple(self.control_plane.static_pods()))

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
            await self.control_plane.start_missing()
        while not await self._try_to_start():
            await clock.sleep(_RETRY)

    async def _try_to_start(self) -> bool:
        shared, node = self._context.shared, self._context.state.node
        assert node is not None
        plane = self._context.find_plane(node["ca_hash"])
        if plane is None:
            return False
        kubelet = Kubelet(
            self._kubelets_client(plane),
            self._node_config(node),
            shared.fabric,
            shared.clock,
            shared.profile,
            Bridge(self._context.disk),
            plane.client,
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
            version=self._kubelet_version(node),
            max_pods=node["max_pods"],
            vcpus=spec.vcpus,
            memory_mib=spec.memory_mib,
            os_image=self._context.system.name,
            labels=node["labels"],
            taints=tuple(node["taints"]),
            static_pods=tuple(self.control_plane.static_pods()),
            disk=self._context.disk,
        )

    def _kubelet_version(self, node: dict[str, Any]) -> str:
        """Return the version of the installed kubelet; a changed package counts from its start."""
        package = self._context.state.packages.get("kubelet")
        return "v" + package.partition("-")[0] if package else str(node["version"])

    def running_pods(self) -> list[dict[str, Any]]:
        """Return the pods whose containers run here, in their last known state."""
        pods = [] if self._kubelet is None else self._kubelet.pods()
        pods = [pod for pod in pods if pod.get("status", {}).get("phase") == "Running"]
        return [pod for pod in pods if MIRROR not in _notes(pod) or self._runs(pod)]

    def _runs(self, pod: dict[str, Any]) -> bool:
        """Whether a static pod runs, which the API server need not have been told."""
        component = pod["metadata"].get("labels", {}).get("component", "")
        return self.control_plane.runs(component)

    async def stop_kubelet(self) -> None:
        """Stop the kubelet; as on a real machine, its containers keep running."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
            self._following = None
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
        await self.control_plane.stop()

    async def fail(self, component: Component) -> None:
        """Stop a failed component."""
        if component is Component.KUBELET:
            await self.stop_kubelet()
        elif component is Component.API_SERVER:
            await self.control_plane.stop()

    async def recover(self, component: Component) -> None:
        """Start a recovered component."""
        if component is Component.API_SERVER:
            await self.control_plane.start_missing()
        elif component is Component.KUBELET:
            await self.start_kubelet()

    async def forget(self) -> None:
        """Stop everything and delete the cluster's data, as `kubeadm reset` does."""
        await self.power_off()
        await self.control_plane.forget()
        self._context.state.node = None


def _notes(pod: dict[str, Any]) -> dict[str, str]:
    notes: dict[str, str] = pod["metadata"].get("annotations") or {}
    return notes
