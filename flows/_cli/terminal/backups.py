"""The table of backups."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding

from domain.backup.labels import Label
from flows._cli.console import open_console
from flows._cli.language import Verbatim
from flows._cli.terminal.rows import Rows


def show_backups(labels: Sequence[Label], console: Console | None = None) -> None:
    """Show the backups of a cluster, the newest first."""
    console = console or open_console()
    if not labels:
        return
    table = Rows("Backup", "Made at", "Kubernetes", "Size", "Objects")
    for one in sorted(labels, key=lambda one: one.made_at, reverse=True):
        table.add_row(
            Verbatim(one.name),
            f"{one.made_at:%Y-%m-%d %H:%M:%S} UTC",
            one.kubernetes,
            f"{one.size / 2**20:.1f} MiB",
            str(sum(one.objects.values())),
        )
    console.print(Padding(table, (0, 0, 1, 2), expand=False))
