"""The base class of all parts of a cluster's description, and the types of their fields.

A value of another type is refused, never converted: `true` is no count, and `"3"` no number.
"""

import re
from datetime import time
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Strict


class Part(BaseModel):
    """A part of a description: immutable, and rejects unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _clock(value: object) -> time:
    if isinstance(value, str) and (found := _CLOCK.fullmatch(value)):
        try:
            hour, minute, second = map(int, found.groups(default="0"))
            return time(hour, minute, second)
        except ValueError:
            raise ValueError(
                f"{value} is not between 00:00 and 23:59:59; midnight is 00:00"
            ) from None
    if isinstance(value, time) and value.tzinfo is None:
        return value
    if isinstance(value, str) and re.match(r"\d+:\d\d.*([Zz]|[+-]\d\d:?\d\d)$", value):
        raise ValueError(f"{value!r} holds a time zone; write the zone as `time_zone`")
    raise ValueError(f"{value!r} is not a time; write it in quotes, such as '08:00'")


_CLOCK = re.compile(r"(\d\d?):(\d\d)(?::(\d\d))?", re.ASCII)


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Switch = Annotated[bool, Strict()]
TimeOfDay = Annotated[time, BeforeValidator(_clock)]
"""A time without a zone, such as `08:00` or `23:59:59`."""
ListOfOne = BeforeValidator(_listed)
"""Takes one text where a list belongs for a list of one."""
