"""One import under way. Owns: the position in a file, its index of people, its pages.

Rows are numbered from 1 without the header and without blank lines. Every data row is given
exactly once, as a lead or as a rejected row, and pages do not depend on how they are cut.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from guardrails import identity
from guardrails.errors import BadInput
from guardrails.model import Lead, Reason, digest
from servers.hunter import encoding, header
from servers.hunter.contract import LeadPage, RejectedRow
from servers.hunter.dedupe import SeenIndex
from servers.hunter.records import Record
from servers.hunter.rejects import duplicate_reasons
from servers.hunter.rows import Reading, Rules, read_row
from servers.hunter.source import Cursor, Source


@dataclass(frozen=True)
class _Outcome:
    lead: Lead | None = None
    rejected: RejectedRow | None = None


# Characters of a page's cells after which it ends before its limit: a page must not be larger than
# what a tool may answer, however long the cells are.
_PAGE_CHARS = 1_000_000


class Reader:
    """An open file at some row. Not for two threads at once."""

    def __init__(self, source: Source, rules: Rules) -> None:
        """Open `source` at its first data row.

        Raises:
            BadInput: unreadable, empty, not text, or without a usable header.
        """
        with contextlib.ExitStack() as stack:
            raw = stack.enter_context(source.open())
            self._encoding = encoding.detect(raw)
            self._header = header.find_header(raw, self._encoding)
            self._records = header.open_records(raw, self._encoding, self._header)
            self._seen = SeenIndex()
            stack.callback(self._seen.close)
            self._open = stack.pop_all()
        self._rules = rules
        self._waiting: Record | None = next(self._records, None)
        self.rows = 0
        self._chars = 0  # of all cells read

    @property
    def digest(self) -> str:
        """SHA-256 of the file's bytes."""
        return self._encoding.digest

    @property
    def exhausted(self) -> bool:
        """Whether all rows were given."""
        return self._waiting is None

    def page(self, limit: int) -> LeadPage:
        """The next `limit` data rows, or fewer when they are very long."""
        before, full = self.rows, self._chars + _PAGE_CHARS
        outcomes: list[_Outcome] = []
        while len(outcomes) < limit and self._chars < full:
            outcome = self._next()
            if outcome is None:
                break
            outcomes.append(outcome)
        return LeadPage(
            leads=tuple(out.lead for out in outcomes if out.lead is not None),
            rejected=tuple(out.rejected for out in outcomes if out.rejected is not None),
            rows_read=self.rows - before,
            next_cursor=None if self.exhausted else Cursor(self.digest, self.rows).encode(),
            dialect=self._header.dialect(self._encoding),
            columns=self._header.columns.recognised(),
            ignored_columns=self._header.columns.ignored(),
        )

    def skip(self, rows: int) -> None:
        """Go to the row after `rows`, learning who stands in the rows before it.

        Raises:
            BadInput: the file has no such row.
        """
        while self.rows < rows:
            if self._next() is None:
                raise BadInput("cursor: beyond the end of the file", remedy="Start without one.")

    def close(self) -> None:
        """Close the file and forget the index."""
        self._open.close()

    def _next(self) -> _Outcome | None:
        record = self._waiting
        if record is None:
            return None
        self._waiting = next(self._records, None)
        self.rows += 1
        self._chars += sum(map(len, record.cells))
        reading = read_row(record, self.rows, self._header.columns, self._rules)
        if reading.lead is None:
            return _Outcome(rejected=self._rejected(record, reading, reading.reasons, None))
        first = self._seen.first(reading.keys, self.rows, reading.email)
        if first is None:
            return _Outcome(lead=reading.lead)
        reasons = duplicate_reasons(reading.lead, first)
        return _Outcome(rejected=self._rejected(record, reading, reasons, first))

    def _rejected(
        self, record: Record, reading: Reading, reasons: tuple[Reason, ...], first: int | None
    ) -> RejectedRow:
        # From row number and raw cells: stable over re-reads, and two equal rows stay two.
        key = f"row:{self.rows}:{digest(record.cells)}"
        opted_out = self._opted_out(reading, first) if reading.no_contact else ()
        return RejectedRow(
            row=self.rows,
            state="invalid" if first is None else "duplicate",
            lead_id=identity.lead_id(self._rules.salt, key),
            reasons=reasons,
            duplicate_of=first,
            opted_out_emails=opted_out,
        )

    def _opted_out(self, reading: Reading, first: int | None) -> tuple[str, ...]:
        """The person's addresses, the one that would be written to first."""
        stated = (None if first is None else self._seen.email_of(first), reading.email)
        return tuple(dict.fromkeys(email for email in stated if email))
