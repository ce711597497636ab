"""Tags, which are for users of the console."""

from collections.abc import Sequence

from clients.qingcloud.calls import Calls
from clients.qingcloud.reply import Item
from clients.qingcloud.transport import some
from domain.cloud.records import Tag


class TagCalls(Calls):
    def find_tags(self, name: str) -> list[Tag]:
        """Find the tag of exactly this name; there is at most one."""
        return [_tag(item) for item in self._find("DescribeTags", "tag", name, verbose=1)]

    def create_tag(self, name: str) -> str:
        """Create a tag (at most 14 characters) and return its id.

        Raises:
            AlreadyExists: the account has a tag of that name.
        """
        return self._transport.change("CreateTag", {"tag_name": name}).text("tag_id")

    def attach_tag(self, tag_id: str, resources: Sequence[tuple[str, str]]) -> None:
        """Attach a tag to resources given as pairs of kind and id. Safe to repeat.

        Args:
            resources: kinds are `instance`, `router`, `vxnet`, `eip`, `loadbalancer`,
                `security_group`, `keypair`.
        """
        pairs = [
            {"tag_id": tag_id, "resource_type": kind, "resource_id": resource_id}
            for kind, resource_id in resources
        ]
        self._transport.change("AttachTags", {"resource_tag_pairs": some(pairs)})

    def delete_tags(self, tag_ids: Sequence[str]) -> None:
        """Delete tags, whatever they are attached to."""
        self._transport.change("DeleteTags", {"tags": some(tag_ids)})


def _tag(item: Item) -> Tag:
    pairs = item.optional_items("resource_tag_pairs")
    return Tag(
        id=item.text("tag_id"),
        name=item.text("tag_name"),
        resource_ids=tuple(pair.text("resource_id") for pair in pairs),
    )
