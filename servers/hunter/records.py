"""From text to records. Owns: quoting, line ends, and what happens when quoting is broken.

Strict CSV first. Where that fails (a quote that never closes, or closes in the middle of a cell)
the physical line stands for itself and reading goes on with the next one, so that a stray quote
costs at most its own row and never the rows below it. Memory is bounded by `MAX_RECORD`.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from servers.hunter.encoding import mend

MAX_RECORD = 1_000_000  # characters of one record, newlines in quotes included
_MAX_RECOVERED = 20_000  # the same, where quotes are broken
_BLANK = " \r\n\f\x1a\ufeff"


@dataclass(frozen=True)
class Record:
    """One data row as it stands. `problem` is a reason code when the row cannot be trusted."""

    cells: tuple[str, ...]
    problem: str | None = None


@dataclass(frozen=True)
class _Line:
    text: str
    complete: bool = True


class Lines:
    """Physical lines with their ends (CR, LF or CRLF), some of which may be put back."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: deque[_Line] = deque()

    def take(self) -> _Line | None:
        """The next line, None at the end. An over-long line is cut and marked incomplete."""
        if self._waiting:
            return self._waiting.popleft()
        text = self._stream.readline(MAX_RECORD)
        if not text:
            return None
        complete = len(text) < MAX_RECORD or text.endswith(("\n", "\r"))
        if not complete:
            self._skip_rest()
        return _Line(mend(text), complete)

    def put_back(self, lines: list[_Line]) -> None:
        """Lines to be taken again, in their order."""
        self._waiting.extendleft(reversed(lines))

    def _skip_rest(self) -> None:
        while True:
            rest = self._stream.readline(MAX_RECORD)
            if len(rest) < MAX_RECORD or rest.endswith(("\n", "\r")):
                return


class Records:
    """Records of one file. Set `width` (cells of the header) when it is known.

    Blank lines (nothing but spaces) are no records.
    """

    def __init__(self, lines: Lines, delimiter: str) -> None:
        # A limit of the whole process; raising it is harmless, as `Lines` bounds every line.
        csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_RECORD))
        self._lines = lines
        self._delimiter = delimiter
        self.width: int | None = None

    def __iter__(self) -> Iterator[Record]:
        return self

    def __next__(self) -> Record:
        while True:
            line = self._lines.take()
            if line is None:
                raise StopIteration
            if not line.complete:
                return Record((), "row_too_long")
            if line.text.strip(_BLANK):
                return self._record(line)

    def _record(self, line: _Line) -> Record:
        if '"' not in line.text:
            return Record(tuple(line.text.rstrip("\r\n").split(self._delimiter)))
        taken = [line]
        cells = self._parse(taken, strict=True)
        if cells is not None and not (len(taken) > 1 and self._swallowed_rows(cells, taken)):
            return Record(cells)
        self._lines.put_back(taken[1:])
        return self._recover(line)

    def _parse(self, taken: list[_Line], *, strict: bool) -> tuple[str, ...] | None:
        """Cells of the record that begins with `taken`, which grows by the lines it needs.

        None when its quoting is broken or it has no end within the bounds.
        """
        bound = MAX_RECORD if strict else _MAX_RECOVERED
        ended = True

        def feed() -> Iterator[str]:
            nonlocal ended
            yield taken[0].text
            size = len(taken[0].text)
            while (line := self._lines.take()) is not None:
                taken.append(line)
                size += len(line.text)
                if size > bound or not line.complete:
                    break
                yield line.text
            ended = False  # the parser asks for more only inside a quoted cell

        reader = csv.reader(feed(), delimiter=self._delimiter, skipinitialspace=True, strict=strict)
        try:
            cells = tuple(next(reader))
        except (csv.Error, StopIteration):
            return None
        return cells if ended else None

    def _swallowed_rows(self, cells: tuple[str, ...], taken: list[_Line]) -> bool:
        """Whether a quoted cell over several lines is really rows between two stray quotes.

        A note with line breaks does not have a full row's separators and an `@` in its lines.
        """
        if self.width is None or self.width < 3:
            return False
        rows = [self._is_full(line) and "@" in line.text for line in taken]
        return all(rows) or (len(cells) != self.width and any(rows[1:]))

    def _recover(self, first: _Line) -> Record:
        """The record that begins with a line whose quoting is broken.

        Quotes are read leniently; where that takes in lines that look like rows of their own, or
        gives another number of cells than the header has, the first line stands alone.
        """
        taken = [first]
        lenient = self._parse(taken, strict=False)
        if lenient is not None:
            fits = self.width is None or len(lenient) == self.width
            if fits and not any("@" in line.text or self._is_full(line) for line in taken[1:]):
                return Record(lenient)
        alone = len(taken) == 1
        self._lines.put_back(taken[1:])
        text = first.text.rstrip("\r\n")
        literal = tuple(cell.strip().strip('"') for cell in text.split(self._delimiter))
        if self.width is None or len(literal) == self.width:
            return Record(literal)
        return Record(lenient) if lenient and alone else Record(literal, "broken_quotes")

    def _is_full(self, line: _Line) -> bool:
        return self.width is not None and line.text.count(self._delimiter) == self.width - 1
