"""One import under way. Owns: the position in a file, its index of people, its pages.

Rows are numbered from 1 without the header and without blank lines. Every data row is given
exactly once, as a lead or as a rejected row, and pages do not depend on how they are cut.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from guardrails import identity
from guardrails.clock import parse
from guardrails.errors import BadInput
from guardrails.model import Lead, Reason, digest
from servers.hunter import encoding, header
from servers.hunter.contract import Bound, LeadPage, RejectedRow
from servers.hunter.dedupe import Person, Said, SeenIndex
from servers.hunter.records import Record
from servers.hunter.rejects import duplicate_reasons
from servers.hunter.rows import Rules, read_row
from servers.hunter.source import Cursor, Source


@dataclass(frozen=True)
class _Outcome:
    lead: Lead | None = None
    rejected: RejectedRow | None = None
    opted_out: tuple[str, ...] = ()


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
            opted_out_emails=tuple(dict.fromkeys(e for out in outcomes for e in out.opted_out)),
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
        lead = reading.lead
        person = self._seen.join(
            self.rows, reading.keys, reading.emails, reading.said, leads=lead is not None
        )
        if lead is None:
            return _Outcome(None, self._rejected(record, reading.reasons, person), person.opted_out)
        if person.first is None:
            return _Outcome(_told(lead, reading.said, person.said), None, person.opted_out)
        reasons = duplicate_reasons(lead, person.first)
        duplicate = self._rejected(record, reasons, person, person.first)
        return _Outcome(None, duplicate, person.opted_out)

    def _rejected(
        self,
        record: Record,
        reasons: tuple[Reason, ...],
        person: Person,
        first: int | None = None,
    ) -> RejectedRow:
        # From row number and raw cells: stable over re-reads, and two equal rows stay two.
        key = f"row:{self.rows}:{digest(record.cells)}"
        said = person.said
        return RejectedRow(
            row=self.rows,
            state="invalid" if first is None else "duplicate",
            lead_id=identity.lead_id(self._rules.salt, key),
            reasons=reasons,
            duplicate_of=first,
            binds=tuple(
                Bound(
                    row=row,
                    opted_out=said.opted_out,
                    customer=said.customer,
                    bounced=said.bounced,
                    last_contacted_at=parse(said.contacted) if said.contacted else None,
                )
                for row in person.told
            ),
        )


def _told(lead: Lead, said: Said, known: Said) -> Lead:
    """The lead with what earlier rows of the person say that could not stand for them."""
    if known == said:
        return lead
    return lead.model_copy(
        update={
            "opted_out": lead.opted_out or (known.opted_out and not said.opted_out),
            "customer": known.customer,
            "bounced": known.bounced,
            "last_contacted_at": parse(known.contacted) if known.contacted else None,
        }
    )
