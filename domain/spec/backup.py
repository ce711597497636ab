"""The part of a description about backups: where they go, and which are kept."""

from pydantic import Field

from domain.spec.part import Part, Whole


class Backup(Part):
    """Backups of etcd with all that a restore needs; a deployment makes one each night."""

    store: str = Field(
        "",
        pattern=r"^([a-z0-9-]*|/.*)$",
        description="A saved Backup Store block by its name, or a folder of the worker; none is "
        "made where it is empty",
    )
    keep: Whole = Field(14, ge=1, le=1000, description="So many are kept")
    keep_days: Whole = Field(30, ge=1, le=3650, description="Older ones are deleted")
    alarm_hours: Whole = Field(
        26, ge=1, le=8760, description="An alarm is raised when the last good one is older"
    )
