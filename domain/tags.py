"""The tag that shows a cluster's resources together in the console."""

from collections.abc import Iterator

from domain.cloud import Cloud
from domain.ensured import Ensured
from domain.errors import AlreadyExists
from domain.names import Names
from domain.view import ClusterView


def taggable(view: ClusterView) -> Iterator[tuple[str, str]]:
    """The (kind, id) of everything that can carry a tag, in the cloud's words."""
    for kind, resource in (
        ("router", view.vpc),
        ("eip", view.address),
        ("loadbalancer", view.balancer),
        ("security_group", view.firewall),
        ("security_group", view.machine_group),
        ("keypair", view.keypair),
    ):
        if resource is not None:
            yield kind, resource.id
    yield from (("vxnet", vxnet.id) for vxnet in view.vxnets)
    yield from (("instance", machine.id) for machine in view.instances)


def ensure_tagged(cloud: Cloud, names: Names, view: ClusterView) -> Ensured[str]:
    """Make the tag where it is missing, and attach it; attaching twice changes nothing.

    A tag of this name that is somebody else's stays as it is: tags are for people alone.
    """
    try:
        tag_id = view.tag.id if view.tag else cloud.create_tag(names.tag)
    except AlreadyExists:
        return Ensured("", f"left out: the tag {names.tag} is used for something else")
    resources = list(taggable(view))
    if resources:
        cloud.attach_tag(tag_id, resources)
    return Ensured(tag_id, f"{tag_id} on {len(resources)} resources")
