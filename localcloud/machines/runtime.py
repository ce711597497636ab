"""containerd as its clients see it: the configuration it has read, and its images."""

import tomllib
from pathlib import Path
from typing import Any

PACKAGED_CONFIG = 'disabled_plugins = ["cri"]\n'
"""The configuration in the containerd.io package, which disables CRI."""

_RUNTIME = "io.containerd.cri.v1.runtime"


class Runtime:
    """The running containerd of one machine; a changed file takes effect with a restart."""

    def __init__(self, disk: Path) -> None:
        self._file = disk / "etc/containerd/config.toml"
        self._config: dict[str, Any] | None = None

    async def start(self) -> None:
        """Read the configuration; an unreadable one leaves the service without CRI."""
        try:
            self._config = (
                tomllib.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else {}
            )
        except tomllib.TOMLDecodeError:
            self._config = None

    async def stop(self) -> None:
        self._config = None

    @property
    def offers_cri(self) -> bool:
        """Return whether it serves CRI, which Kubernetes needs."""
        return self._config is not None and "cri" not in self._config.get("disabled_plugins", ())

    def info(self) -> dict[str, Any]:
        """Return the output of `crictl info`; as in 2.x, settings of version 2 are ignored."""
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
        """Return the output of `containerd config dump`: the current file.

        Raises:
            tomllib.TOMLDecodeError: the file cannot be parsed.
        """
        text = self._file.read_text(encoding="utf-8") if self._file.exists() else ""
        tomllib.loads(text)
        return text

    def uses_systemd_cgroups(self) -> bool:
        """Return whether its cgroup driver is systemd, as the kubelet's."""
        runc = self.info()["config"]["containerd"]["runtimes"]["runc"]
        return bool(runc["options"]["SystemdCgroup"])
