"""The pod network of one cluster: pods by address."""

import asyncio
import base64
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localcloud.kubernetes.access.tls import server_tls
from localcloud.kubernetes.pods import images
from localcloud.kubernetes.pods.http import ReadApi, Reply, Request, serve_connection
from localcloud.pki import Pair

Pod = dict[str, Any]


class BrokenCertificate(Exception):
    """The configured certificate of a program in a pod is unusable."""


@dataclass(frozen=True, slots=True)
class RunningPod:
    """A pod that has an address."""

    pod: Pod
    read: ReadApi | None
    tls: Mapping[int, ssl.SSLContext] = field(default_factory=dict)  # by port


class PodNetwork:
    """Passes connections to pods. Pods outside of it do not answer."""

    def __init__(self) -> None:
        self._pods: dict[str, RunningPod] = {}
        self._connections: set[asyncio.Task[None]] = set()

    def add(self, address: str, running: RunningPod) -> None:
        """Add a pod at an address."""
        self._pods[address] = running

    def remove(self, address: str, uid: str) -> None:
        """Remove a pod, unless another one has its address by now."""
        running = self._pods.get(address)
        if running is not None and running.pod["metadata"]["uid"] == uid:
            del self._pods[address]

    def accept(self, address: str, port: int, connection: socket.socket) -> None:
        """Pass a connected socket to a pod; close it when nothing listens there."""
        running = self._pods.get(address)
        if running is None or port not in images.programs_of(running.pod):
            connection.close()
            return

        async def answer(request: Request) -> Reply:
            return await images.serve(running.pod, port, request, running.read)

        work = serve_connection(connection, answer, running.tls.get(port))
        task = asyncio.get_running_loop().create_task(work, name=f"connection to {address}:{port}")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def close(self) -> None:
        """End all connections."""
        self._pods.clear()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


def tls_contexts(pod: Pod, secrets: Mapping[str, Pod]) -> dict[int, ssl.SSLContext]:
    """Return the TLS contexts of the programs in a pod that serve TLS.

    Args:
        secrets: the Secrets that the pod mounts, by name.

    Raises:
        BrokenCertificate: a file is missing, or is not a certificate with its key.
    """
    found = {}
    for port, (program, container) in images.programs_of(pod).items():
        files = images.tls_files(program, container)
        if files is not None:
            certificate = _read_mounted(pod, container, files.certificate, secrets)
            key = _read_mounted(pod, container, files.key, secrets)
            try:
                found[port] = server_tls(Pair(certificate, key))
            except (ssl.SSLError, ValueError) as error:
                raise BrokenCertificate(f"tls: {error}") from error
    return found


def _read_mounted(
    pod: Pod, container: Mapping[str, Any], path: str, secrets: Mapping[str, Pod]
) -> bytes:
    """Read a file of a container from a mounted Secret."""
    mounts = [
        mount
        for mount in container.get("volumeMounts") or ()
        if path.startswith(mount["mountPath"].rstrip("/") + "/")
    ]
    if not mounts:
        raise BrokenCertificate(f"open {path}: no such file or directory")
    mount = max(mounts, key=lambda one: len(one["mountPath"]))
    name = path[len(mount["mountPath"].rstrip("/")) + 1 :]
    for volume in pod["spec"].get("volumes") or ():
        source = volume.get("secret")
        if volume["name"] == mount["name"] and source:
            keys = {item["path"]: item["key"] for item in source.get("items") or ()}
            data = secrets.get(source["secretName"], {}).get("data") or {}
            text = data.get(keys.get(name, "") if keys else name)
            if text is not None:
                return base64.b64decode(text)
    raise BrokenCertificate(f"open {path}: no such file or directory")
