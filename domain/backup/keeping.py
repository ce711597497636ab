"""Which backups are kept, and what of a store is not one."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from domain.backup.labels import LABEL, SEALED, Label


def choose_old(
    labels: Sequence[Label], keep: int, keep_days: int, now: datetime
) -> tuple[Label, ...]:
    """Choose the backups of one cluster to delete: beyond the count, or too old.

    The newest one stays, however old it is.
    """
    newest_first = sorted(labels, key=lambda one: one.made_at, reverse=True)
    longest = timedelta(days=keep_days)
    return tuple(
        one
        for number, one in enumerate(newest_first)
        if number and (number >= keep or now - one.made_at > longest)
    )


def choose_halves(names: Collection[str], key: str, current: str) -> tuple[str, ...]:
    """Choose the sealed files of a cluster that never got a label, of runs that were cut off.

    Args:
        current: the name of the backup that was just made; one that is newer may be under way.
    """
    ours = (name for name in names if name.startswith(f"{key}-") and name.endswith(SEALED))
    return tuple(
        sorted(
            name
            for name in ours
            if name.removesuffix(SEALED) < current
            and name.removesuffix(SEALED) + LABEL not in names
        )
    )
