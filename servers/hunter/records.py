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
        try:
            reader = csv.reader(
                self._feed(taken), delimiter=self._delimiter, skipinitialspace=True, strict=True
            )
            cells = tuple(next(reader))
        except (csv.Error, StopIteration):
            return self._line_alone(taken)
        if len(taken) > 1 and self._swallowed_rows(cells, taken):
            return self._line_alone(taken)
        return Record(cells)

    def _feed(self, taken: list[_Line]) -> Iterator[str]:
        yield taken[0].text
        size = len(taken[0].text)
        while (line := self._lines.take()) is not None:
            taken.append(line)
            size += len(line.text)
            if size > MAX_RECORD or not line.complete:
                return
            yield line.text

    def _swallowed_rows(self, cells: tuple[str, ...], taken: list[_Line]) -> bool:
        """Whether a quoted cell over several lines is really rows between two stray quotes.

        A note with line breaks does not have a full row's separators and an `@` in its lines.
        """
        if self.width is None or self.width < 3:
            return False
        rows = [
            line.text.count(self._delimiter) == self.width - 1 and "@" in line.text
            for line in taken
        ]
        return all(rows) or (len(cells) != self.width and any(rows[1:]))

    def _line_alone(self, taken: list[_Line]) -> Record:
        self._lines.put_back(taken[1:])
        text = taken[0].text.rstrip("\r\n")
        literal = tuple(cell.strip().strip('"') for cell in text.split(self._delimiter))
        try:
            lenient = tuple(
                next(csv.reader([text], delimiter=self._delimiter, skipinitialspace=True))
            )
        except (csv.Error, StopIteration):
            return Record(literal, "broken_quotes")
        for cells in (lenient, literal):
            if self.width is None or len(cells) == self.width:
                return Record(cells)
        return Record(lenient, "broken_quotes")
