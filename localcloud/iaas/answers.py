"""Replies with lists: filters, pages, and the fields of every kind of resource."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from localcloud.clock import stamp
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.records import FORGOTTEN, Resource

Document = dict[str, Any]
T = TypeVar("T")
R = TypeVar("R", bound=Resource)

DEFAULT_LIMIT, LARGEST_LIMIT = 20, 100


def page(
    parameters: Parameters, key: str, items: Iterable[T], view: Callable[[T], Document]
) -> Document:
    """Return one page; a limit above the API's largest is reduced.

    Go clients send a limit of 0 when none was set.
    """
    found = list(items)
    offset = parameters.integer("offset", 0)
    limit = min(parameters.integer("limit", 0) or DEFAULT_LIMIT, LARGEST_LIMIT)
    shown = found[offset : offset + limit]
    return {key: [view(item) for item in shown], "total_count": len(found)}


def select(cloud: Cloud, parameters: Parameters, resources: Iterable[R], ids: str) -> Iterable[R]:
    """Filter by ids (`ids` names the parameter), statuses, tags and search word.

    Unknown ids are no error. Ceased resources show only when their id or status is requested.
    Several tags mean any of them.
    """
    wanted, statuses = set(parameters.texts(ids)), set(parameters.texts("status"))
    # Of tags themselves, `tags.n` names the ids.
    tags = set(parameters.texts("tags")) if ids != "tags" else set()
    word = parameters.text("search_word").lower()
    for resource in resources:
        if wanted and resource.id not in wanted:
            continue
        if statuses and resource.status and resource.status not in statuses:
            continue
        if not wanted and not statuses and resource.status in FORGOTTEN:
            continue
        if tags and not tags.intersection(tag.id for tag in cloud.state.tags_of(resource)):
            continue
        if word in resource.search_text().lower():
            yield resource


def describe(
    cloud: Cloud,
    parameters: Parameters,
    resources: Iterable[R],
    view: Callable[[R], Document],
    noun: str,
) -> Document:
    """Answer the Describe of a noun: filter `<noun>s.n`, key `<noun>_set`."""
    return page(parameters, f"{noun}_set", select(cloud, parameters, resources, f"{noun}s"), view)


def common(cloud: Cloud, resource: Resource, noun: str) -> Document:
    """Show the fields of all kinds: id, name, description, owner, times, tags."""
    return {
        f"{noun}_id": resource.id,
        f"{noun}_name": resource.name,
        "description": resource.description,
        "owner": cloud.account.user_id,
        "zone_id": cloud.zone,
        "create_time": stamp(resource.created_at),
        "status_time": stamp(resource.status_at),
        "tags": [
            {"tag_id": tag.id, "tag_name": tag.name, "color": tag.color}
            for tag in cloud.state.tags_of(resource)
        ],
    }


def life(resource: Resource) -> Document:
    """Show status and transition; no transition is an empty text, never null."""
    return {
        "status": resource.status,
        "transition_status": resource.transition,
        "sub_code": 0,
        "alarm_status": "",
    }


def rename(parameters: Parameters, resource: Resource, noun: str) -> None:
    """Set name and description where they were sent, also empty ones."""
    if parameters.given(f"{noun}_name"):
        resource.name = parameters.text(f"{noun}_name").strip()
    if parameters.given("description"):
        resource.description = parameters.text("description").strip()
