"""Groups of machines: their templates, sizes and bounds."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, Field, WithJsonSchema, field_validator, model_validator

from domain.kernel.names import FURTHER_GROUP, MASTERS, NODES
from domain.spec.labels import ExtendedResources, Labels, Taints
from domain.spec.part import ListOfOne, Part, Whole
from domain.spec.presets import PolicyOverPreset


class MachineTemplate(Part):
    """The image, type and disk from which the machines of a group are created."""

    image: str = Field(
        "ubuntu 24.04",
        min_length=2,
        description="An image id, or words of an image's name, such as `ubuntu 24.04`",
    )
    instance_type: str = Field(
        "s1.large.r2", description="kubeadm wants at least 2 vCPUs and 2 GiB for a master"
    )
    fallback_types: Annotated[tuple[str, ...], ListOfOne] = Field(
        (), description="Instance types that are tried in turn while the first is out of stock"
    )
    disk_gib: Whole = Field(40, ge=20, le=100, description="Size of the system disk, GiB")

    @property
    def types(self) -> tuple[str, ...]:
        """The instance types of new machines, in the order in which they are tried."""
        return tuple(dict.fromkeys((self.instance_type, *self.fallback_types)))


class NodeTemplate(MachineTemplate):
    """The template of a group of nodes."""

    labels: Labels = Field(
        default={}, description="Labels of the nodes, which pods can select, such as `disk: ssd`"
    )
    taints: Taints = Field(
        (), description="Taints of the nodes, such as `gpu=true:NoSchedule`; other pods stay away"
    )
    resources: ExtendedResources = Field(
        default={},
        description="What a device plugin adds to each node, such as `nvidia.com/gpu: 1`; without "
        "it no machine is bought for pods that ask for it",
    )


MASTER_COUNTS = (1, 3, 5)


def check_masters(count: int) -> int:
    """Check a number of masters. Raises `ValueError` for one that makes no safe etcd."""
    if count not in MASTER_COUNTS:
        why = "use 1, 3 or 5 masters"
        if count > 0 and count % 2 == 0:
            why = (
                f"{count} masters can lose no more of them than {count - 1}, because more than "
                f"half must live; {why}"
            )
        raise ValueError(f"{count} is no number of masters: {why}")
    return count


class Masters(Part):
    """The group `k8s-master`: the machines that run the control plane."""

    count: Annotated[Whole, WithJsonSchema({"type": "integer", "enum": [*MASTER_COUNTS]})] = Field(
        1,
        description="1, or 3 or 5, of which 1 or 2 may be lost; never lowered here",
    )
    template: MachineTemplate = MachineTemplate()

    @field_validator("count")
    @classmethod
    def _odd(cls, count: int) -> int:
        return check_masters(count)


class Nodes(Part):
    """The group `k8s-node`: the machines that run the workload."""

    count: Whole = Field(2, ge=0, le=5000, description="Number of machines; never lowered here")
    minimum: Whole = Field(0, ge=0, description="Scaling never goes below")
    maximum: Whole = Field(10, ge=1, le=5000, description="Scaling never goes above")
    template: NodeTemplate = NodeTemplate()

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}")
        if not self.minimum <= self.count <= self.maximum:
            raise ValueError(
                f"count {self.count} is outside {self.minimum} to {self.maximum}; "
                "change count, minimum or maximum"
            )
        return self


class FurtherGroup(Nodes):
    """A group of nodes beside `k8s-node`, with a template and a policy of its own."""

    count: Whole = Field(0, ge=0, le=5000)
    scaling: PolicyOverPreset | None = Field(
        None, description="When the group grows and shrinks; `preset` names a ready policy"
    )


def _named(groups: dict[str, FurtherGroup]) -> dict[str, FurtherGroup]:
    for name in groups:
        if name in (MASTERS, NODES):
            part = "nodes" if name == NODES else "masters"
            raise ValueError(f"{name} is described by `{part}`; choose another name")
        if not re.fullmatch(FURTHER_GROUP, name):
            raise ValueError(
                f"{name!r} is no name of a group: use lower-case letters, digits and dashes, "
                "at most 20, starting with a letter"
            )
    for short, long in _prefixed((MASTERS, NODES, *groups)):
        raise ValueError(f"group {long} begins with the name of group {short}; rename one of them")
    return groups


def _prefixed(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names of which the first begins the second: their nodes' names would be alike."""
    ordered = sorted(names)
    return [
        (short, long)
        for short in ordered
        for long in ordered
        if short != long and long.startswith(short)
    ]


Groups = Annotated[dict[str, FurtherGroup], AfterValidator(_named)]
"""Further groups of nodes by their names."""


def check_taints(groups: Mapping[str, Nodes]) -> None:
    """Refuse groups of which each has a taint: no pod without tolerations could run.

    Raises:
        ValueError: names the taints.
    """
    kept_off = {
        name: [taint for taint in group.template.taints if not taint.endswith(":PreferNoSchedule")]
        for name, group in groups.items()
    }
    if all(kept_off.values()):
        words = ", ".join(f"{name}: {taints[0]}" for name, taints in kept_off.items())
        raise ValueError(
            f"each group of nodes has a taint ({words}), so that ordinary pods find no place; "
            "leave one group without"
        )
