"""containerd as its clients see it: what it read from its configuration, and its images."""

import tomllib
from pathlib import Path
from typing import Any

PACKAGED_CONFIG = 'disabled_plugins = ["cri"]\n'
"""What the containerd.io package ships: nothing that Kubernetes could use."""

_RUNTIME = "io.containerd.cri.v1.runtime"


class Runtime:
    """The running containerd of one machine; a change of its file counts after a restart."""

    def __init__(self, disk: Path) -> None:
        self._file = disk / "etc/containerd/config.toml"
        self._config: dict[str, Any] | None = None

    async def start(self) -> None:
        """Read the configuration; one that cannot be read leaves the service without CRI."""
        try:
            self._config = tomllib.loads(self._file.read_text()) if self._file.exists() else {}
        except tomllib.TOMLDecodeError:
            self._config = None

    async def stop(self) -> None:
        self._config = None

    @property
    def offers_cri(self) -> bool:
        """Whether Kubernetes can talk to it."""
        return self._config is not None and "cri" not in self._config.get("disabled_plugins", ())

    def info(self) -> dict[str, Any]:
        """What `crictl info` prints. Settings under keys of version 2 are not seen, as in 2.x."""
        plugins = (self._config or {}).get("plugins", {})
        runc = plugins.get(_RUNTIME, {}).get("containerd", {}).get("runtimes", {}).get("runc", {})
        return {
            "status": {"conditions": [{"type": "RuntimeReady", "status": True, "reason": ""}]},
            "config": {
                "containerd": {
                    "runtimes": {
                        "runc": {
                            "options": {
                                "SystemdCgroup": bool(runc.get("options", {}).get("SystemdCgroup"))
                            }
                        }
                    }
                },
            },
        }

    def dump(self) -> str:
        """What `containerd config dump` prints: the file as it is now, where it can be read.

        Raises:
            tomllib.TOMLDecodeError: it cannot.
        """
        text = self._file.read_text() if self._file.exists() else ""
        tomllib.loads(text)
        return text

    def uses_systemd_cgroups(self) -> bool:
        """Whether its cgroup driver is the kubelet's."""
        runc = self.info()["config"]["containerd"]["runtimes"]["runc"]
        return bool(runc["options"]["SystemdCgroup"])
