"""Is there a good backup that is young enough?"""

from datetime import datetime, timedelta

from domain.health.findings import Finding, Subject, trouble, warning, well
from domain.kernel.durations import format_seconds


def check_backups(
    cluster: str, last: datetime | None, now: datetime, longest: timedelta | None
) -> Finding:
    """Check the age of the last good backup.

    Args:
        last: when it was made; None without one.
        longest: how old it may be; None where no backups are described.
    """
    command = f"python -m flows.backup --name {cluster}"
    if last is None:
        level = trouble if longest else warning
        return level(Subject.BACKUPS, "there is none", f"Make one with: {command}")
    age = now - last
    words = f"the last good one is {format_seconds(age.total_seconds())} old"
    if longest and age > longest:
        return trouble(Subject.BACKUPS, words, f"Look at its last run, or make one with: {command}")
    return well(Subject.BACKUPS, words)
