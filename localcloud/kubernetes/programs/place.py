"""Where a program runs: its pod, its files, its clients."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from localcloud.clock import Clock
from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import CONFIG_MAP, SECRET

Obj = dict[str, Any]


class Broken(Exception):
    """The program ends at its start: a file, a flag or the key is wrong."""


@dataclass(frozen=True, slots=True)
class Place:
    """The surroundings of one container.

    Attributes:
        api: the cluster's API, as the pod's ServiceAccount.
        kubelet: the same API, as the kubelet that registers what a driver tells it.
        disk: the root of the machine, for paths that the pod mounts; None in some tests.
    """

    pod: Obj
    container: Obj
    api: ApiClient
    kubelet: ApiClient
    clock: Clock
    disk: Path | None = None

    @property
    def node(self) -> str:
        return str(self.pod["spec"]["nodeName"])

    def flag(self, name: str, default: str = "") -> str:
        """Return the value of a flag `--name=value`."""
        words = [*self.container.get("command", ()), *self.container.get("args", ())]
        found = [one.partition("=")[2] for one in words if one.lstrip("-").split("=")[0] == name]
        return str(found[-1]) if found else default

    async def read(self, path: str) -> str:
        """Read a file of the container.

        Raises:
            Broken: there is no such file.
        """
        for volume, rest in self._mounted_at(path):
            if (text := await self._read_from(volume, rest)) is not None:
                return text
        raise Broken(f"open {path}: no such file or directory")

    async def read_settings(self, path: str) -> Mapping[str, Any]:
        """Read a YAML file with names and values. Raises `Broken`."""
        try:
            found = yaml.safe_load(await self.read(path))
        except yaml.YAMLError as error:
            raise Broken(f"{path}: {error}") from error
        if not isinstance(found, dict):
            raise Broken(f"{path} holds no settings")
        return found

    def _mounted_at(self, path: str) -> Iterator[tuple[Obj, str]]:
        """Yield the volumes whose mounts hold a path, the deepest first, with the rest of it."""
        volumes = {one["name"]: one for one in self.pod["spec"].get("volumes") or ()}
        mounts = self.container.get("volumeMounts") or ()
        for mount in sorted(mounts, key=lambda one: -len(one["mountPath"])):
            root = mount["mountPath"].rstrip("/") + "/"
            if path.startswith(root) and mount["name"] in volumes:
                yield volumes[mount["name"]], path.removeprefix(root)

    async def _read_from(self, volume: Obj, name: str) -> str | None:
        if host := volume.get("hostPath"):
            file = (self.disk / host["path"].lstrip("/") / name) if self.disk else None
            return file.read_text(encoding="utf-8") if file and file.is_file() else None
        for field, kind, key in (
            ("secret", SECRET, "secretName"),
            ("configMap", CONFIG_MAP, "name"),
        ):
            if source := volume.get(field):
                path = kind.path(self.pod["metadata"]["namespace"], source[key])
                try:
                    found = await self.kubelet.request("GET", path)  # a kubelet mounts
                except ApiFailure as failure:
                    if failure.status != 404:
                        raise
                    return None
                text = (found.get("data") or {}).get(name)
                if text is None:
                    return None
                return base64.b64decode(text).decode() if kind is SECRET else str(text)
        return None
