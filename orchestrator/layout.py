"""Tables for terminals of any width. Owns: that an id or an address is never broken in two.

What is read in sentences stands in the last column where there is room for it, and below its row
where there is none. Without a terminal there is room: what goes into a file or a pipe is searched,
not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

Cell = str | Text
_GAP = 2
_LEAST = 32  # characters that sentences need beside the other columns
_NARROW = 4  # a first column as narrow as a number: sentences begin under the second


class Rows:
    """A table.

    Args:
        columns: of short things, each kept on one line.
        last: the column of sentences.
        right: those of `columns` that hold numbers.
    """

    def __init__(self, columns: Sequence[str], last: str, right: Sequence[str] = ()) -> None:
        self._columns = columns
        self._last = last
        self._right = right
        self._rows: list[tuple[list[Text], Text]] = []

    def add(self, *cells: Cell, told: Cell = "") -> None:
        """A row: one of `cells` for each of the columns, `told` for the last."""
        short = [_text(cell) for cell in cells]
        missing = [Text()] * (len(self._columns) - len(short))
        self._rows.append((short + missing, _text(told)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = [
            max(cell_len(name), *(cells[at].cell_len for cells, _ in self._rows), 0)
            for at, name in enumerate(self._columns)
        ]
        taken = sum(widths) + _GAP * len(widths)
        longest = max((len(line) for _, told in self._rows for line in told.plain.split("\n")),
                      default=0)  # fmt: skip
        beside = taken + min(longest, _LEAST) <= options.max_width
        yield from [self._table()] if beside else self._storeys(widths)

    def _table(self) -> Table:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for name in self._columns:
            table.add_column(name, no_wrap=True, justify=self._justify(name))
        table.add_column(self._last, overflow="fold")
        for cells, told in self._rows:
            table.add_row(*cells, told)
        return table

    def _storeys(self, widths: Sequence[int]) -> list[RenderableType]:
        indent = widths[0] + _GAP if widths[0] <= _NARROW else _GAP
        shown: list[RenderableType] = [
            self._line([Text(name, style="bold") for name in self._columns], widths)
        ]
        for cells, told in self._rows:
            shown.append(self._line(cells, widths))
            if told.plain:
                shown.append(Padding(told, (0, 0, 0, indent), expand=False))
        return shown

    def _line(self, cells: Sequence[Text], widths: Sequence[int]) -> Text:
        line = Text(overflow="fold")
        for name, cell, width in zip(self._columns, cells, widths, strict=True):
            pad = " " * (width - cell.cell_len)
            line.append_text(Text.assemble(pad, cell) if self._justify(name) == "right" else
                             Text.assemble(cell, pad))  # fmt: skip
            line.append(" " * _GAP)
        line.rstrip()
        return line

    def _justify(self, name: str) -> Literal["left", "right"]:
        return "right" if name in self._right else "left"


def _text(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(cell)
