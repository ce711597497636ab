"""The tag that shows a cluster's resources together in the console."""

import time
from collections.abc import Iterator

from domain.cloud.api import Cloud
from domain.cloud.creating import create_once
from domain.cloud.inventory import Inventory, is_ours
from domain.kernel.ensured import Ensured
from domain.kernel.errors import AlreadyExists
from domain.kernel.names import Names
from domain.kernel.waiting import Clock


def taggable(inventory: Inventory) -> Iterator[tuple[str, str]]:
    """The (kind, id) of every resource that can carry a tag, in the cloud's terms."""
    own = inventory.own
    for kind, resource in (
        ("router", own.vpc),
        ("eip", own.address),
        ("loadbalancer", own.balancer),
        ("security_group", own.firewall),
        ("security_group", own.machine_group),
        ("keypair", own.keypair),
    ):
        if resource is not None:
            yield kind, resource.id
    yield from (("vxnet", vxnet.id) for vxnet in own.vxnets)
    yield from (("instance", machine.id) for machine in inventory.instances)


def untagged(inventory: Inventory) -> tuple[tuple[str, str], ...]:
    """The resources that the cluster's tag is not attached to yet."""
    tagged = set(inventory.tag.resource_ids) if inventory.tag else set()
    return tuple(one for one in taggable(inventory) if one[1] not in tagged)


def ensure_tagged(
    cloud: Cloud, names: Names, inventory: Inventory, clock: Clock = time
) -> Ensured[str]:
    """Create the tag if it is missing, and attach it to what does not have it.

    A foreign tag of this name is not changed: tags only help people.
    """
    missing = untagged(inventory)
    if inventory.tag and not missing:
        return Ensured(inventory.tag.id, f"kept {inventory.tag.id}")

    def look() -> str | None:
        tags = [tag for tag in cloud.find_tags(names.tag) if is_ours(tag, inventory)]
        return tags[0].id if tags else None

    try:
        tag_id = (
            inventory.tag.id
            if inventory.tag
            else create_once(
                lambda: cloud.create_tag(names.tag), look, what=f"tag {names.tag}", clock=clock
            )
        )
    except AlreadyExists:
        return Ensured("", f"skipped: the tag {names.tag} is used for other resources")
    cloud.attach_tag(tag_id, missing)
    return Ensured(tag_id, f"{tag_id} on {len(missing)} more resources")
