"""A table where there is room for it; else one cell a line, under the first of its row."""

from collections.abc import Iterable
from typing import Literal

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from flows._cli.language import in_language

Cell = str | Text


class Rows:
    """Rows with named columns; a column without a name holds a sign."""

    def __init__(self, *columns: str, no_wrap: bool = False) -> None:
        self._columns: list[tuple[str, Literal["left", "right"]]] = []
        self._rows: list[tuple[Cell, ...]] = []
        self._no_wrap = no_wrap
        for column in columns:
            self.add_column(column)

    def add_column(self, name: str, *, justify: Literal["left", "right"] = "left") -> None:
        self._columns.append((in_language(name), justify))

    def add_row(self, *cells: Cell) -> None:
        self._rows.append(tuple(in_language(cell) for cell in cells))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._fits(console, options):
            yield self._table()
        else:
            yield from self._stacked()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        if self._fits(console, options):
            return Measurement.get(console, options, self._table())
        return Measurement(1, options.max_width)

    def _fits(self, console: Console, options: ConsoleOptions) -> bool:
        """Whether the columns need not be squeezed to a few characters each."""
        wide = options.update(max_width=NATURAL)
        natural = Measurement.get(console, wide, self._table()).maximum
        return natural <= options.max_width or options.max_width >= ENOUGH

    def _table(self) -> Table:
        table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
        for name, justify in self._columns:
            table.add_column(name, overflow="fold", justify=justify, no_wrap=self._no_wrap)
        for row in self._rows:
            table.add_row(*row)
        return table

    def _stacked(self) -> Iterable[Text]:
        for row in self._rows:
            cells = [
                (name, Text(cell) if isinstance(cell, str) else cell)
                for (name, _), cell in zip(self._columns, row, strict=False)
            ]
            signs = [cell for name, cell in cells if not name and cell.plain]
            named = [(name, cell) for name, cell in cells if name and cell.plain]
            head = [cell for _, cell in named[:1]]
            yield Text(" ").join([*signs, *head])
            for name, cell in named[1:]:
                yield Text.assemble((f"  {name.lower()}: ", "dim"), cell)


NATURAL = 10_000
"""A width in which nothing is folded."""

ENOUGH = 72
"""A terminal of so many characters shows tables, folded where they are wider."""
