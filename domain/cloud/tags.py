"""The tag that shows a cluster's resources together in the console."""

from collections.abc import Iterator

from domain.cloud.api import Cloud
from domain.cloud.inventory import Inventory
from domain.kernel.ensured import Ensured
from domain.kernel.errors import AlreadyExists
from domain.kernel.names import Names


def taggable(inventory: Inventory) -> Iterator[tuple[str, str]]:
    """The (kind, id) of every resource that can carry a tag, in the cloud's terms."""
    for kind, resource in (
        ("router", inventory.vpc),
        ("eip", inventory.address),
        ("loadbalancer", inventory.balancer),
        ("security_group", inventory.firewall),
        ("security_group", inventory.machine_group),
        ("keypair", inventory.keypair),
    ):
        if resource is not None:
            yield kind, resource.id
    yield from (("vxnet", vxnet.id) for vxnet in inventory.vxnets)
    yield from (("instance", machine.id) for machine in inventory.instances)


def ensure_tagged(cloud: Cloud, names: Names, inventory: Inventory) -> Ensured[str]:
    """Create the tag if it is missing, and attach it; attaching twice changes nothing.

    A foreign tag of this name is not changed: tags only help people.
    """
    try:
        tag_id = inventory.tag.id if inventory.tag else cloud.create_tag(names.tag)
    except AlreadyExists:
        return Ensured("", f"skipped: the tag {names.tag} is used for other resources")
    resources = list(taggable(inventory))
    if resources:
        cloud.attach_tag(tag_id, resources)
    return Ensured(tag_id, f"{tag_id} on {len(resources)} resources")
