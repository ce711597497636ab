"""Whether a backup may be restored into a cluster."""

import hashlib
from datetime import datetime, timedelta

from domain.backup.labels import Label
from domain.kernel.durations import format_seconds
from domain.kernel.errors import BadRequest


class NotThisBackup(BadRequest):
    """A backup does not fit the cluster; nothing was changed."""


def fingerprint(certificate: str) -> str:
    """The SHA-256 of a PEM certificate's text, without the blanks around it."""
    return hashlib.sha256(certificate.strip().encode()).hexdigest()


def check_fits(
    label: Label, *, ca: str | None, kubernetes: str, now: datetime, most_days: int
) -> None:
    """Refuse a backup that is not this cluster's own, of another version, or too old.

    Args:
        ca: the fingerprint of the cluster's CA; None for a cluster that does not exist yet.
        kubernetes: the version that the cluster has, or gets.

    Raises:
        NotThisBackup: names the reason, and what to do instead.
    """
    what = f"backup {label.name} is not restored"
    if ca is not None and label.ca != ca:
        raise NotThisBackup(
            f"{what}: it is of another cluster ({label.cluster} in zone {label.zone}), which has "
            "another CA; restore it as a new cluster with --as, a name that is free"
        )
    if _minor(label.kubernetes) != _minor(kubernetes):
        raise NotThisBackup(
            f"{what}: it is of Kubernetes {label.kubernetes}, and the cluster has {kubernetes}; "
            f"restore it as a new cluster with --as, which gets {label.kubernetes}"
        )
    age = now - label.made_at
    if age > timedelta(days=most_days):
        raise NotThisBackup(
            f"{what}: it is {format_seconds(age.total_seconds())} old, and everything since would "
            f"be lost; if that is meant, allow it with --max-days {age.days + 1}"
        )


def _minor(version: str) -> str:
    return ".".join(version.removeprefix("v").split(".")[:2])
