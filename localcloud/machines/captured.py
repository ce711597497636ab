"""Captured disks: the disk of a machine as an image for others."""

import shutil
from dataclasses import replace
from pathlib import Path

from localcloud.machines.context import MachineContext
from localcloud.machines.state import State

DISK, STATE = "disk", "state.json"  # as in a machine's own folder
OF_ONE_MACHINE = ("etc/ssh/ssh_host_*",)
"""Created by the cloud on every machine, so that no two have the same identity."""


def pack(folder: Path, image: Path) -> None:
    """Copy the disk of a machine that is off; one that never booted has none."""
    if not (folder / STATE).exists():
        return
    growing = image.with_name(f"{image.name}.part")
    shutil.rmtree(growing, ignore_errors=True)
    shutil.copytree(folder / DISK, growing / DISK, symlinks=True)
    for pattern in OF_ONE_MACHINE:
        for file in (growing / DISK).glob(pattern):
            file.unlink()
    state = State.load(folder / STATE)
    replace(state, node=None, control_plane=None, runs=False).save(growing / STATE)
    growing.rename(image)


def unpack(image: Path, context: MachineContext) -> None:
    """Copy a captured disk to a new machine; an unknown image is accepted."""
    if not image.exists():
        return
    shutil.copytree(image / DISK, context.disk, symlinks=True, dirs_exist_ok=True)
    context.state = State.load(image / STATE)
