"""Life-cycle hooks: a script on one group when a machine of another comes or goes."""

from collections.abc import Collection
from enum import StrEnum

from pydantic import Field

from domain.kernel.names import MASTERS, NODES
from domain.spec.part import Part, Whole
from domain.spec.scripts import StoredScript


class Moment(StrEnum):
    """When a hook runs."""

    ADDED = "added"
    REMOVED = "removed"


class OnFailure(StrEnum):
    """What the run does when a hook fails."""

    STOP = "stop"
    GO_ON = "go on"


class Hook(Part):
    """A script that runs for each machine of a group that has joined, or is about to leave.

    It runs as root on each machine of `runs_on`. Its environment says for which machine:
    `HOOK_EVENT` (added or removed), `HOOK_GROUP`, `HOOK_MACHINE`, `HOOK_NODE`, `HOOK_ADDRESS`. The
    run after one that was cut off runs it again, so it must be safe to repeat. It is stored in the
    cluster: no secret belongs in it.
    """

    name: str = Field(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$", description="Lower-case")
    when: Moment = Field(
        description="`added`: once a machine is a Ready node; `removed`: before it is terminated"
    )
    group: str = Field(NODES, description="The group whose machines come and go")
    runs_on: str = Field(MASTERS, description="The group whose machines run the script")
    script: StoredScript
    timeout: Whole = Field(60, ge=1, le=3600, description="Seconds on each machine")
    on_failure: OnFailure = Field(
        OnFailure.STOP,
        description="`stop`: the run ends there, and the same run again continues; `go on`: it is "
        "reported, and tried again by the next run",
    )
    delay: Whole = Field(0, ge=0, le=3600, description="Seconds before the first machine")
    interval: Whole = Field(0, ge=0, le=3600, description="Seconds between the starts on two")


def distinct_hooks(hooks: tuple[Hook, ...]) -> tuple[Hook, ...]:
    """Reject two hooks of one name. Raises `ValueError`."""
    names = [hook.name for hook in hooks]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two hooks are named {name}; give each its own name")
    return hooks


def check_groups(hooks: Collection[Hook], groups: Collection[str]) -> None:
    """Reject a hook about a group that does not exist. Raises `ValueError`."""
    for hook in hooks:
        for group in (hook.group, hook.runs_on):
            if group not in groups:
                raise ValueError(
                    f"hooks: {hook.name} names group {group!r}, which does not exist; known are "
                    f"{', '.join(groups)}"
                )
