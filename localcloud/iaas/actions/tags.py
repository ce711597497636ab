"""Tags: short words on resources, for people."""

from collections import Counter

from localcloud.iaas import quotas
from localcloud.iaas.answers import Document, common, describe, rename
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import BadParameter, ResourceExists
from localcloud.iaas.faults.leniencies import LongTags
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.records import Tag

LONGEST_NAME = 14


def create_tag(cloud: Cloud, parameters: Parameters) -> Document:
    name = parameters.required_text("tag_name")
    _require_name(cloud, name)
    quotas.require(cloud, tag=1)
    tag = Tag(
        id=cloud.new_id("tag"),
        name=name,
        created_at=cloud.now(),
        color=parameters.text("color", "default"),
    )
    cloud.state.tags.add(tag)
    return {"tag_id": tag.id}


def _require_name(cloud: Cloud, name: str, but: str = "") -> None:
    if len(name) > LONGEST_NAME and not cloud.faults.strike(LongTags):
        raise BadParameter(f"tag_name [{name}] should be shorter than 15 characters")
    if any(tag.name == name and tag.id != but for tag in cloud.state.tags.values()):
        raise ResourceExists(f"tag [{name}] already existed")


def describe_tags(cloud: Cloud, parameters: Parameters) -> Document:
    verbose, resources = parameters.flag("verbose"), set(parameters.texts("resources"))
    found = [
        tag
        for tag in cloud.state.tags.values()
        if not resources or resources.intersection(resource_id for _, resource_id in tag.attached)
    ]
    return describe(cloud, parameters, found, lambda tag: document(cloud, tag, verbose), "tag")


def document(cloud: Cloud, tag: Tag, verbose: bool) -> Document:
    counts = Counter(kind for kind, _ in tag.attached)
    answer = common(cloud, tag, "tag") | {
        "tag_key": tag.name,
        "color": tag.color,
        "resource_count": len(tag.attached),
        "resource_type_count": [
            {"resource_type": kind, "count": count} for kind, count in sorted(counts.items())
        ],
    }
    if verbose:
        answer["resource_tag_pairs"] = [
            {"tag_id": tag.id, "resource_type": kind, "resource_id": resource_id}
            for kind, resource_id in sorted(tag.attached)
        ]
    return answer


def modify_tag_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    tag = cloud.state.tags.read(parameters.required_text("tag"))
    if parameters.given("tag_name"):
        _require_name(cloud, parameters.required_text("tag_name"), but=tag.id)
    rename(parameters, tag, "tag")
    tag.color = parameters.text("color", tag.color)
    return {"tag_id": tag.id}


def attach_tags(cloud: Cloud, parameters: Parameters) -> Document:
    """Attach tags to resources; attached ones are accepted."""
    for tag, resource in _read_pairs(cloud, parameters):
        tag.attached.add(resource)
    return {}


def detach_tags(cloud: Cloud, parameters: Parameters) -> Document:
    for tag, resource in _read_pairs(cloud, parameters):
        tag.attached.discard(resource)
    return {}


def _read_pairs(cloud: Cloud, parameters: Parameters) -> list[tuple[Tag, tuple[str, str]]]:
    """Read all pairs before any is changed."""
    pairs = []
    for item in parameters.required_items("resource_tag_pairs"):
        tag = cloud.state.tags.read(item.required_text("tag_id"))
        kind, resource_id = item.required_text("resource_type"), item.required_text("resource_id")
        cloud.state.read_taggable(kind, resource_id)
        pairs.append((tag, (kind, resource_id)))
    return pairs


def delete_tags(cloud: Cloud, parameters: Parameters) -> Document:
    """Delete tags, also those in use."""
    tags = cloud.state.tags.read_all(parameters.required_texts("tags"))
    for tag in tags:
        del cloud.state.tags[tag.id]
    return {"tags": [tag.id for tag in tags]}


ACTIONS = {
    "CreateTag": create_tag,
    "DescribeTags": describe_tags,
    "ModifyTagAttributes": modify_tag_attributes,
    "AttachTags": attach_tags,
    "DetachTags": detach_tags,
    "DeleteTags": delete_tags,
}
