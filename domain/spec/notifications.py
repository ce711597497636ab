"""The part of a description about notifications: services and language."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.spec.part import ListOfOne, Part

ServiceName = Annotated[str, Field(pattern=r"^[a-z-]+/[a-z0-9-]+$")]


class Language(StrEnum):
    ENGLISH = "en"
    CHINESE = "zh"
    BOTH = "both"


class Notifications(Part):
    """The services that are notified of alarms, and the language of the messages."""

    services: Annotated[tuple[ServiceName, ...], ListOfOne] = Field(
        (),
        max_length=10,
        description="Saved notification blocks as type/name, such as `dingtalk-robot/oncall`",
    )
    language: Language = Language.BOTH
