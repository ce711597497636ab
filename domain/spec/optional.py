"""Parts of a description in which nothing need be given, for the forms of the Prefect UI.

A form posts each default that its schema names. So the schema of a form names none: a field that
nobody has filled in is null, which means that it is not given.
"""

from typing import Annotated, Any, get_args, get_origin

from pydantic import BeforeValidator, Field, create_model
from pydantic.fields import FieldInfo

from domain.spec.part import Part


def optional(part: type[Part], default: str) -> type[Part]:
    """Make the same part with no value given; the whole is checked when it is laid together.

    Args:
        default: the words before a default in the description of its field.
    """
    fields: dict[str, Any] = {
        name: _field(name, field, default) for name, field in part.model_fields.items()
    }
    return create_model(part.__name__, __base__=Part, __doc__=part.__doc__, **fields)


def drop_nulls(value: Any) -> Any:
    """Leave out what is not given, in nested mappings, too."""
    if not isinstance(value, dict):
        return value
    return {name: drop_nulls(one) for name, one in value.items() if one is not None}


def _field(name: str, field: FieldInfo, default: str) -> tuple[Any, Any]:
    kind: Any = field.annotation
    title = name.replace("_", " ").capitalize()  # a form has no other name for an enumeration
    if isinstance(kind, type) and issubclass(kind, Part):
        inner = optional(kind, default)
        return inner, Field(inner(), title=title, description=field.description)
    if get_origin(kind) is dict and isinstance(part := get_args(kind)[1], type(Part)):
        kind = dict[str, optional(part, default) | None]  # type: ignore[misc]  # made from another
    elif field.metadata:
        kind = Annotated[(kind, *field.metadata)]
    kind = Annotated[kind, BeforeValidator(drop_nulls)]
    return kind | None, Field(None, title=title, description=_described(field, default))


def _described(field: FieldInfo, words: str) -> str | None:
    """The description, with the default where that is one word."""
    default = field.get_default(call_default_factory=False)
    if not isinstance(default, str | int | float) or isinstance(default, bool) or default == "":
        return field.description
    new = f"{words}: {default}"
    return f"{field.description}. {new}" if field.description else new
