"""The programs of a real control plane, in one folder as Kubernetes' own test tools keep them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "KUBEBUILDER_ASSETS"
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


class AssetsMissing(Exception):
    """The folder lacks a program."""


@dataclass(frozen=True, slots=True)
class Assets:
    """A folder that holds all programs of a control plane."""

    folder: Path

    def program(self, name: str) -> str:
        return str(self.folder / name)


def find_assets(environment: Mapping[str, str]) -> Assets | None:
    """Return the folder named by the environment, or None.

    Raises:
        AssetsMissing: a program is missing or not executable. An unreported return to the emulated
            engine would let tests pass on the wrong one.
    """
    named = environment.get(VARIABLE)
    if not named:
        return None
    folder = Path(named).absolute()
    missing = [name for name in PROGRAMS if not os.access(folder / name, os.X_OK)]
    if missing:
        raise AssetsMissing(f"{VARIABLE} is {folder}, where these are not: {', '.join(missing)}")
    return Assets(folder)
