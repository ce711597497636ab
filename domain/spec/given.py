"""A description in which nothing need be given: what a form or a deployment asks for.

A field of `ClusterSpec` that is left out has a default, and a form in the Prefect UI posts each
default that its schema names. So the form has another schema, without any: what nobody has given
keeps its stored value, or gets the default in a new cluster.
"""

from typing import Any, Self

from pydantic import ConfigDict, Field, PrivateAttr

from domain.spec.cluster import NAME, ClusterSpec
from domain.spec.optional import optional
from domain.spec.presets import UnreadPolicy

FIRST = ("name", "nodes", "access", "scaling", "notifications")
"""What people change most stands at the top of the form."""


def _order(schema: dict[str, Any]) -> None:
    fields: dict[str, dict[str, Any]] = schema["properties"]
    for position, name in enumerate((*FIRST, *(one for one in fields if one not in FIRST))):
        fields[name]["position"] = position


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
    def of(cls, spec: ClusterSpec) -> Self:
        """Give all that a description holds, also what it leaves empty."""
        document = spec.given
        if isinstance(spec.scaling, UnreadPolicy):
            del document["scaling"]  # the stored one is kept
        found: Self = cls.model_validate({"name": spec.name} | document)
        found._whole = document
        return found

    @property
    def given(self) -> dict[str, Any]:
        """The values that were given, nested as in the YAML file."""
        if self._whole is not None:
            return self._whole
        document: dict[str, Any] = self.model_dump(mode="json", exclude_none=True)
        return document
