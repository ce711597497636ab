"""A master's control plane: static pods, which follow their manifests as a kubelet lets them.

Each master has an etcd member of the cluster's plane, and an API server that needs this member.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from localcloud.kubernetes.persistence import read_own_member
from localcloud.kubernetes.plane import Door
from localcloud.kubernetes.planes import BootstrapToken, Plane, PlaneConfig, erase_objects
from localcloud.machines.context import MachineContext
from localcloud.parts import Component

API_PORT = 6443
KUBERNETES = "etc/kubernetes"
_API_SERVER, _ETCD = "kube-apiserver.yaml", "etcd.yaml"


class ControlPlane:
    """What runs of it on one machine, by kubeadm's record in the machine's state."""

    def __init__(self, context: MachineContext) -> None:
        self._context = context
        self.plane: Plane | None = None
        self._door: Door | None = None
        self._manifest = ""  # of the API server that runs
        self._has_etcd = False

    @property
    def _known(self) -> dict[str, Any] | None:
        return self._context.state.control_plane

    @property
    def member_id(self) -> int | None:
        """The id of this machine's etcd member, as in its data; None before it has one."""
        return self._known.get("member") if self._known else None

    @property
    def _folder(self) -> Path:
        return self._context.disk / KUBERNETES / "manifests"

    def static_pods(self) -> list[dict[str, Any]]:
        """Return the manifests, by their names."""
        return [
            yaml.safe_load(file.read_text(encoding="utf-8"))
            for file in sorted(self._folder.glob("*.yaml"))
        ]

    def runs(self, component: str) -> bool:
        """Whether a static pod runs: by its manifest, etcd also until its member has ended."""
        if component == "etcd" and self.plane is not None:
            return self.member_id in self.plane.etcd.running
        return (self._folder / f"{component}.yaml").exists()

    async def follow(self) -> None:
        """Let run what has a manifest; an API server starts anew with a changed one."""
        if self._known is None or Component.API_SERVER in self._context.failed:
            return
        await self._follow_etcd()
        await self._follow_api_server()

    async def _follow_etcd(self) -> None:
        """Start or stop the member when the manifest of etcd appears or goes."""
        has_etcd = (self._folder / _ETCD).exists()
        if has_etcd and not self._has_etcd:
            await self.start()
        elif self._has_etcd and not has_etcd:
            await self._stop_member()
        self._has_etcd = has_etcd

    async def start_missing(self) -> None:
        """Start what should run and does not, as a kubelet does at its start."""
        self._has_etcd = False
        await self.follow()

    async def start(self) -> Plane:
        """Start this machine's etcd member, the first one of a new cluster.

        Returns:
            The cluster's plane, which serves if enough members run.
        """
        known, data = self._known, self._context.cluster_data
        assert known is not None, "kubeadm init has not run"
        data.parent.mkdir(parents=True, exist_ok=True)
        if (restored := read_own_member(data)) is not None:
            known["member"] = restored
        if "member" not in known:
            self.plane = self._context.shared.planes.create(self._config())
            known["member"] = self.plane.etcd.found(known["node"], self._context.spec.address).id
        if self.plane is None:
            self.plane = self._context.shared.planes.find_or_create(self._config())
        if Component.API_SERVER not in self._context.failed:
            await self.plane.start_member(known["member"], data)
        return self.plane

    async def _stop_member(self) -> None:
        if self.plane is not None and self.member_id is not None:
            await self.plane.stop_member(self.member_id, self._context.cluster_data)

    async def _follow_api_server(self) -> None:
        """Let the API server run while its member does; one that was removed has ended."""
        file, manifest = self._folder / _API_SERVER, ""
        if file.exists() and self.plane and self.member_id in self.plane.etcd.running:
            manifest = file.read_text(encoding="utf-8")
        if manifest == self._manifest and (self._door is None) == (not manifest):
            return
        await self._close_door()
        if manifest and self.plane is not None:
            self._open_door(self.plane, manifest)

    def _open_door(self, plane: Plane, manifest: str) -> None:
        spec, pki = self._context.spec, self._context.disk / KUBERNETES / "pki"
        image: str = yaml.safe_load(manifest)["spec"]["containers"][0]["image"]
        self._door = plane.open_door(
            image.rpartition(":")[2],
            spec.address,
            (pki / "apiserver.crt").read_bytes(),
            (pki / "apiserver.key").read_bytes(),
        )
        self._manifest = manifest
        self._context.shared.fabric.listen(spec.vpc, spec.address, API_PORT, self._door.accept)

    async def _close_door(self) -> None:
        if self._door is None:
            return
        spec = self._context.spec
        self._context.shared.fabric.close(spec.vpc, spec.address, API_PORT)
        door, self._door, self._manifest = self._door, None, ""
        await door.close()

    def _config(self) -> PlaneConfig:
        context, known = self._context, self._known
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

    async def stop(self) -> None:
        """Stop what runs here; the objects stay."""
        self._has_etcd = False
        await self._close_door()
        await self._stop_member()

    async def forget(self) -> None:
        """Stop, and delete the data of this machine's member; it stays in the list of members."""
        await self.stop()
        shared, plane = self._context.shared, self.plane
        if plane is not None and not plane.etcd.forget_data(self._context.cluster_data):
            shared.kubelet_clients.pop(plane, None)
            shared.planes.forget(plane)
        self.plane = None
        erase_objects(self._context.cluster_data)
        self._context.state.control_plane = None
