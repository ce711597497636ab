"""The part of a description about metrics: custom monitors, and how long samples are kept."""

from collections import Counter
from typing import Self

from pydantic import Field, field_validator, model_validator

from domain.kernel.names import NODES
from domain.spec.metrics import BUILT_IN
from domain.spec.part import Part, Whole
from domain.spec.scripts import StoredScript


class Monitor(Part):
    """A metric measured by a script, after FIT2CLOUD's contract.

    The script runs under bash as root on each machine of the group, each minute, and prints one
    number. Anything else leaves a gap with its reason instead of a sample: two numbers, text, a
    non-zero exit code, no end within `timeout`.
    """

    name: str = Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$",
        description="Name of the metric, such as `nginxPods`",
    )
    group: str = Field(NODES, description="The group of machines that it runs on")
    script: StoredScript
    timeout: Whole = Field(20, ge=1, le=50, description="Seconds")
    unit: str = Field(
        "", max_length=16, description="Shown with the number, which it does not change"
    )

    @field_validator("name")
    @classmethod
    def _new(cls, name: str) -> str:
        if name in BUILT_IN:
            raise ValueError(f"{name} is a built-in metric; choose another name")
        return name


class Monitoring(Part):
    """What is measured beside the built-in metrics, and for how long samples are kept."""

    custom: tuple[Monitor, ...] = Field((), max_length=20, description="Custom monitors")
    retention_days: Whole = Field(30, ge=1, le=3650, description="Older samples are deleted")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        counts = Counter((monitor.group, monitor.name) for monitor in self.custom)
        twice = [f"{name} of {group}" for (group, name), count in counts.items() if count > 1]
        if twice:
            raise ValueError(f"there are two monitors {twice[0]}; give each a name of its own")
        return self
