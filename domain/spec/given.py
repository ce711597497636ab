"""A description in which nothing need be given: what a form or a deployment asks for.

A field of `ClusterSpec` that is left out has a default, and a form in the Prefect UI posts each
default that its schema names. So the form has another schema, without any: what nobody has given
keeps its stored value, or gets the default in a new cluster.
"""

from typing import Any, Self

from pydantic import ConfigDict, Field, PrivateAttr

from domain.kernel.names import NODES
from domain.spec.cluster import NAME, ClusterSpec, overlay
from domain.spec.optional import optional
from domain.spec.presets import UnreadPolicy

FIRST = ("name", "nodes", "access", "scaling", "notifications")
"""What people change most stands at the top of the form."""


def _order(schema: dict[str, Any]) -> None:
    fields: dict[str, dict[str, Any]] = schema["properties"]
    for position, name in enumerate((*FIRST, *(one for one in fields if one not in FIRST))):
        fields[name]["position"] = position


def _removals(stored: ClusterSpec, wanted: ClusterSpec) -> dict[str, Any]:
    """What is removed from a stored description, as in the YAML file."""
    removed: dict[str, Any] = {name: None for name in stored.groups if name not in wanted.groups}
    dropped = {
        name: None
        for name in type(stored.addons).model_fields
        if getattr(stored.addons, name) and not getattr(wanted.addons, name)
    }
    found: dict[str, Any] = {"groups": removed, "addons": dropped}
    for name, group in wanted.node_groups.items():
        before = stored.node_groups.get(name, group).template.labels
        if gone := {label: None for label in before if label not in group.template.labels}:
            changes = {"template": {"labels": gone}}
            found = overlay(
                found, {"nodes": changes} if name == NODES else {"groups": {name: changes}}
            )
    return found


class GivenSpec(optional(ClusterSpec, "A new cluster")):  # type: ignore[misc]  # made from another class
    """What is given of a cluster's description; anything else is kept, or has its default."""

    name: str = Field(
        "demo",
        pattern=NAME,
        description=ClusterSpec.model_fields["name"].description,
    )
    model_config = ConfigDict(json_schema_extra=_order)

    _whole: dict[str, Any] | None = PrivateAttr(None)

    @classmethod
    def of(cls, spec: ClusterSpec, stored: ClusterSpec | None = None) -> Self:
        """Give all that a description holds, also what it leaves empty.

        Args:
            stored: the description that the cluster stores; its groups and labels that the other
                one lacks are given as removed.
        """
        document = spec.given
        parts = {NODES: document} | document.get("groups", {})
        for name in spec.node_groups:
            if isinstance(spec.policy(name), UnreadPolicy):
                del parts[name]["scaling"]  # the stored one is kept
        found: Self = cls.model_validate({"name": spec.name} | document)
        found._whole = overlay(document, _removals(stored, spec)) if stored else document
        return found

    @property
    def given(self) -> dict[str, Any]:
        """The values that were given, nested as in the YAML file."""
        if self._whole is not None:
            return self._whole
        document: dict[str, Any] = self.model_dump(mode="json", exclude_none=True)
        return document
