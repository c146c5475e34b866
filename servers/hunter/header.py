"""Find the header row. Owns: separator detection, `sep=` lines and preambles.

The separator is the one under which the header makes most sense. Up to nine lines of preamble
(report titles) are skipped. Refuses a file in which no column can identify a person: rows without
a header would otherwise be read by guess.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import BinaryIO

from guardrails.errors import BadInput
from servers.hunter.columns import Columns, map_columns
from servers.hunter.encoding import Encoding, open_text
from servers.hunter.records import Lines, Records

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_SEP_LINE = re.compile(r'\A\ufeff?"?sep=([^\w\s"]|\t)"?\s*\Z', re.IGNORECASE)
_ADDRESS = re.compile(r"\S+@\S+\.\S+")
_PREAMBLE = 10
_EXAMPLE = "First Name,Last Name,Title,Company,Email"


@dataclass(frozen=True)
class Header:
    """The header's place and meaning. `records_before` counts preamble records to skip."""

    delimiter: str
    sep_line: bool
    records_before: int
    columns: Columns

    def dialect(self, encoding: Encoding) -> str:
        """For a person: encoding, separator, exporter."""
        separator = _SEPARATORS.get(self.delimiter, repr(self.delimiter))
        parts = [encoding.name, separator, self.columns.style]
        if self.records_before:
            parts.append(f"{self.records_before} lines before the header")
        return ", ".join(parts)


def find_header(raw: BinaryIO, encoding: Encoding) -> Header:
    """Look for the header in the first records of `raw`.

    Raises:
        BadInput: no header, or none with an e-mail or LinkedIn column; says what was found.
    """
    stated = _stated_separator(raw, encoding)
    candidates = [stated] if stated else list(_SEPARATORS)
    found = [
        header
        for delimiter in candidates
        if (header := _best_header(raw, encoding, delimiter, stated is not None)) is not None
    ]
    if not found:
        raise _no_header(_first_records(raw, encoding, stated or ",", stated is not None))
    return max(found, key=lambda header: (len(header.columns.fields), header.columns.width))


def open_records(raw: BinaryIO, encoding: Encoding, header: Header) -> Records:
    """The data records of `raw`, the header behind them."""
    records = _open(raw, encoding, header.delimiter, header.sep_line)
    for _ in range(header.records_before + 1):
        next(records)
    records.width = header.columns.width
    return records


def _open(raw: BinaryIO, encoding: Encoding, delimiter: str, sep_line: bool) -> Records:
    lines = Lines(open_text(raw, encoding))
    if sep_line:
        lines.take()
    return Records(lines, delimiter)


def _stated_separator(raw: BinaryIO, encoding: Encoding) -> str | None:
    text = open_text(raw, encoding)
    first = text.readline(20)
    text.detach()
    match = _SEP_LINE.match(first.replace("\0", ""))
    return match.group(1) if match else None


def _best_header(
    raw: BinaryIO, encoding: Encoding, delimiter: str, sep_line: bool
) -> Header | None:
    for place, cells in enumerate(_first_records(raw, encoding, delimiter, sep_line)):
        columns = map_columns(cells)
        if columns.usable and not _has_address(cells):
            return Header(delimiter, sep_line, place, columns)
    return None


def _first_records(
    raw: BinaryIO, encoding: Encoding, delimiter: str, sep_line: bool
) -> list[tuple[str, ...]]:
    text = open_text(raw, encoding)
    lines = Lines(text)
    if sep_line:
        lines.take()
    records = [record.cells for record in itertools.islice(Records(lines, delimiter), _PREAMBLE)]
    text.detach()  # closing it would close the file
    return records


def _has_address(cells: tuple[str, ...]) -> bool:
    return any(_ADDRESS.fullmatch(cell.strip()) for cell in cells)


def _no_header(records: list[tuple[str, ...]]) -> BadInput:
    if not records:
        return BadInput("the file holds no rows", remedy="Give a file with a header row and leads.")
    if _has_address(records[0]):
        return BadInput(
            "the file has no header row: its first row already looks like a lead",
            remedy=f"Add a first row that names the columns, e.g. {_EXAMPLE}",
        )
    shown = ", ".join(header for header in map_columns(records[0]).headers[:12] if header)
    return BadInput(
        f"no column is recognised as an e-mail address or a LinkedIn profile; found: {shown:.300}",
        remedy=f"Name one column Email (or LinkedIn URL), e.g. {_EXAMPLE}",
    )
