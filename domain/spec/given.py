"""A description in which nothing need be given: what a form or a deployment asks for.

A field of `ClusterSpec` that is left out has a default, and a form in the Prefect UI posts each
default that its schema names. So the form has another schema, without any: what nobody has given
keeps its stored value, or gets the default in a new cluster.
"""

from typing import Annotated, Any, Self, get_args, get_origin

from pydantic import Field, PrivateAttr, create_model
from pydantic.fields import FieldInfo

from domain.kernel.names import NODES
from domain.spec.cluster import ClusterSpec, overlay
from domain.spec.part import Part
from domain.spec.presets import UnreadPolicy


def _optional(part: type[Part]) -> type[Part]:
    """The same part with no value given; the checks of the whole come when it is laid together."""
    fields: dict[str, Any] = {name: _field(field) for name, field in part.model_fields.items()}
    return create_model(part.__name__, __base__=Part, __doc__=part.__doc__, **fields)


def _field(field: FieldInfo) -> tuple[Any, Any]:
    kind: Any = field.annotation
    if isinstance(kind, type) and issubclass(kind, Part):
        inner = _optional(kind)
        return inner, Field(inner(), description=field.description)
    if get_origin(kind) is dict and isinstance(part := get_args(kind)[1], type(Part)):
        kind = dict[str, _optional(part) | None]  # type: ignore[misc]  # made from another class
    elif field.metadata:
        kind = Annotated[(kind, *field.metadata)]
    return kind | None, Field(None, description=_described(field))


def _described(field: FieldInfo) -> str | None:
    """The description, with the default where that is one word."""
    default = field.get_default(call_default_factory=False)
    if not isinstance(default, str | int | float) or isinstance(default, bool) or default == "":
        return field.description
    new = f"A new cluster: {default}"
    return f"{field.description}. {new}" if field.description else new


def _removals(stored: ClusterSpec, wanted: ClusterSpec) -> dict[str, Any]:
    """What is removed from a stored description, as in the YAML file."""
    removed: dict[str, Any] = {name: None for name in stored.groups if name not in wanted.groups}
    found: dict[str, Any] = {"groups": removed}
    for name, group in wanted.node_groups.items():
        before = stored.node_groups.get(name, group).template.labels
        if gone := {label: None for label in before if label not in group.template.labels}:
            changes = {"template": {"labels": gone}}
            found = overlay(
                found, {"nodes": changes} if name == NODES else {"groups": {name: changes}}
            )
    return found


class GivenSpec(_optional(ClusterSpec)):  # type: ignore[misc]  # made from another class
    """What is given of a cluster's description; anything else is kept, or has its default."""

    name: str = Field(
        "demo",
        pattern=ClusterSpec.model_fields["name"].metadata[0].pattern,
        description=ClusterSpec.model_fields["name"].description,
    )
    _whole: dict[str, Any] | None = PrivateAttr(None)

    @classmethod
    def of(cls, spec: ClusterSpec, stored: ClusterSpec | None = None) -> Self:
        """Give all that a description holds, also what it leaves empty.

        Args:
            stored: the description that the cluster stores; its groups and labels that the other
                one lacks are given as removed.
        """
        document = spec.given
        if isinstance(spec.scaling, UnreadPolicy):
            del document["scaling"]  # the stored one is kept
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
