"""How an existing machine differs from a new one of its group, which only replaces it."""

from dataclasses import dataclass

from domain.cloud.records import Instance
from domain.spec.cluster import ClusterSpec
from domain.spec.scaling import ScalingPolicy


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a new machine of a group is made from.

    Attributes:
        types: any of these; the first is preferred.
        image_id: empty where it is not known.
    """

    types: tuple[str, ...]
    disk_gib: int
    image_id: str = ""


def recipe_of(spec: ClusterSpec, group: str, image_id: str = "") -> Recipe:
    """The recipe of a group; its scaling policy may name further instance types."""
    template = spec.template(group)
    policy = spec.policy(group) if group in spec.node_groups else None
    further = policy.instance_types if isinstance(policy, ScalingPolicy) else ()
    return Recipe((*template.types, *further), template.disk_gib, image_id)


def find_difference(machine: Instance, recipe: Recipe) -> str:
    """Describe how a machine differs from new ones; empty if it does not."""
    found = []
    if machine.type_id not in recipe.types:
        found.append(f"has type {machine.type_id}, {recipe.types[0]} is for new machines")
    if recipe.image_id and machine.image_id != recipe.image_id:
        found.append(f"has image {machine.image_id}, {recipe.image_id} is for new machines")
    if machine.disk_gib and machine.disk_gib != recipe.disk_gib:
        found.append(f"has a disk of {machine.disk_gib} GiB, {recipe.disk_gib} is for new machines")
    return "; ".join(found)
