"""Checking the chain. Owns: naming the first record that was edited, removed, moved or forged.

Reads every file from the first record on and compares with the anchor in the database, which
shows what the files alone cannot: that their end was cut off, or all of it written anew.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field

from guardrails.audit.files import DayFiles, Line
from guardrails.audit.index import AuditIndex
from guardrails.audit.records import (
    GENESIS,
    AuditHead,
    AuditReport,
    BadRecord,
    Record,
    misfit,
    opened,
)
from guardrails.store import Store


@dataclass
class _Walk:
    """Where the walk stands."""

    head: AuditHead = field(default_factory=lambda: AuditHead(0, GENESIS))
    line: int = 0
    file: str = ""
    tail_open: bool = False
    rewritten: bool = False  # the anchored record is another one than the anchor says

    def bad(self, why: str) -> BadRecord:
        return BadRecord(self.file, self.line, self.head.seq + 1, why)


def verify_chain(chain: str, files: DayFiles, index: AuditIndex, store: Store) -> AuditReport:
    """The report on one chain; see `AuditLog.verify`.

    Raises:
        StoreUnavailable: the anchor cannot be read.
    """
    with store.read() as conn:
        anchor = index.anchor(conn)  # before the files: what it says must be in them already
    walk = _Walk()
    bad = _walk(walk, chain, files, anchor)
    if walk.rewritten:
        bad = _first_rewritten(files, index, store) or bad
    elif bad is None and anchor is None and walk.head.seq:
        bad = BadRecord(walk.file, walk.line, walk.head.seq, "the database has no anchor for it")
    elif anchor is not None and walk.head.seq < anchor.seq:
        bad = _missing_file(walk, files, index, store) or bad or _cut_off(walk, anchor)
    anchored = anchor.seq if anchor else 0
    return AuditReport(
        ok=bad is None,
        records=walk.head.seq,
        head=walk.head.hash,
        first_bad=bad,
        problem=f"{bad.file} line {bad.line}, record {bad.seq}: {bad.why}" if bad else None,
        uncommitted=max(0, walk.head.seq - anchored),
        uncommitted_tail=walk.tail_open,
    )


def _walk(walk: _Walk, chain: str, files: DayFiles, anchor: AuditHead | None) -> BadRecord | None:
    try:
        days = files.days()
        for day in days:
            walk.file, walk.line = files.where(day).name, 0
            for line in files.lines(day):
                walk.line = line.number
                if not line.complete and day == days[-1] and _is_beyond(walk, anchor):
                    walk.tail_open = True
                    return None
                if why := _judge(walk, line, chain, anchor):
                    return walk.bad(why)
    except OSError as error:
        return walk.bad(f"cannot be read: {error.strerror or error}")
    return None


def _judge(walk: _Walk, line: Line, chain: str, anchor: AuditHead | None) -> str | None:
    if not line.complete:
        return "the line is unfinished: cut off or damaged"
    try:
        record: Record = opened(line.content)
    except ValueError as error:
        return str(error)
    if why := misfit(record, walk.head, chain):
        return why
    head = AuditHead(record["seq"], record["hash"])
    if anchor and head.seq == anchor.seq and head != anchor:
        walk.rewritten = True
        return "is not the record that the anchor in the database seals: rewritten"
    walk.head = head
    return None


def _is_beyond(walk: _Walk, anchor: AuditHead | None) -> bool:
    return walk.head.seq >= (anchor.seq if anchor else 0)


def _missing_file(
    walk: _Walk, files: DayFiles, index: AuditIndex, store: Store
) -> BadRecord | None:
    """The file in which the next record stood, when that is what is gone."""
    expected = walk.head.seq + 1
    with store.read() as conn:
        place = index.place(conn, expected)
    if place is None or files.where(place.day).exists():
        return None
    return BadRecord(files.path(place.day).name, 0, expected, "the whole file is gone")


def _cut_off(walk: _Walk, anchor: AuditHead) -> BadRecord:
    why = f"missing: the anchor in the database seals {anchor.seq} records; the end was cut off"
    return BadRecord(walk.file, walk.line + 1, walk.head.seq + 1, why)


def _first_rewritten(files: DayFiles, index: AuditIndex, store: Store) -> BadRecord | None:
    """The first record that differs from what was indexed when it was written."""
    lines = (line for day in files.days() for line in files.lines(day))
    with store.read() as conn, closing(index.places(conn)) as places:
        for line, place in zip(lines, places, strict=False):
            record = opened(line.content)
            if record["hash"] != place.hash:
                name = files.where(line.day).name
                return BadRecord(name, line.number, place.seq, "rewritten: not what was indexed")
    return None
