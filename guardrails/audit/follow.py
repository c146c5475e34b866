"""Checking the chain bit by bit. Owns: what a watcher checks each time, and where it goes on.

Reads only what lies between the record checked last and the one that the database seals; what is
beyond that was not yet acknowledged to anybody, and may be taken back. The record checked last is
read again each time, so that a file that was replaced under it shows. Refuses nothing and changes
nothing; the whole chain is `verify`'s, or a walk that begins at `BEGINNING`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from guardrails.audit.files import DayFiles, Line
from guardrails.audit.index import AuditIndex
from guardrails.audit.records import GENESIS, AuditHead, misfit, opened
from guardrails.hive import Hive
from guardrails.store import Store


@dataclass(frozen=True)
class Checked:
    """The record up to which the chain holds. `seq` 0: none was checked yet."""

    day: str
    offset: int
    seq: int
    hash: str

    @property
    def head(self) -> AuditHead:
        """Number and hash."""
        return AuditHead(self.seq, self.hash)


BEGINNING = Checked("", 0, 0, GENESIS)


@dataclass(frozen=True)
class Progress:
    """Up to where it holds now. `problem` is the first record that does not; `done`: nothing is
    left to check.
    """

    checked: Checked
    problem: str | None = None
    done: bool = False


class ChainFollower:
    """Follows the chain of one hive; keeps nothing between calls."""

    def __init__(self, hive: Hive, store: Store) -> None:
        self._chain = hive.chain_id()
        self._files = DayFiles(hive.audit_dir)
        self._index = AuditIndex(self._chain)
        self._store = store

    def sealed(self) -> Checked:
        """The newest sealed record, unchecked: where following may begin.

        Raises:
            StoreUnavailable: the anchor cannot be read.
        """
        with self._store.read() as conn:
            anchor = self._index.anchor(conn)
            place = self._index.place(conn, anchor.seq) if anchor and anchor.seq else None
        return Checked(place.day, place.offset, place.seq, place.hash) if place else BEGINNING

    def follow(self, known: Checked, limit: int) -> Progress:
        """Check on from `known`, at most `limit` records.

        Raises:
            StoreUnavailable: the anchor cannot be read.
        """
        with self._store.read() as conn:
            anchor = self._index.anchor(conn)  # before the files: what it seals is in them
        try:
            if anchor is None:
                return Progress(known, self._orphans(), done=True)
            if anchor.seq < known.seq:
                why = f"the database seals {anchor.seq} records, {known.seq} were sealed before"
                return Progress(known, why)
            return self._walk(known, anchor, limit)
        except OSError as error:
            return Progress(known, f"{known.day}: cannot be read: {error.strerror or error}")

    def _orphans(self) -> str | None:
        if any(self._files.state(day)[1] for day in self._files.days()):
            return "there are audit files, and the database has no anchor for them"
        return None

    def _walk(self, known: Checked, anchor: AuditHead, limit: int) -> Progress:
        lines = self._lines(known)
        if known.seq and (why := _changed(next(lines, None), known)):
            return Progress(known, f"{known.day}: record {known.seq} {why}")
        left = limit
        while known.seq < anchor.seq and left:
            line = next(lines, None)
            if line is None or not line.complete:
                why = f"the database seals {anchor.seq} records, the files end at {known.seq}"
                return Progress(known, f"{why}: the end was cut off")
            try:
                record = opened(line.content)
            except ValueError as error:
                return Progress(known, f"{line.day}: record {known.seq + 1}: {error}")
            if why := misfit(record, known.head, self._chain):
                return Progress(known, f"{line.day}: a record {why}")
            known = Checked(line.day, line.offset, record["seq"], record["hash"])
            left -= 1
        if known.seq == anchor.seq and known.head != anchor:
            return Progress(known, f"record {known.seq} is not the one that the database seals")
        return Progress(known, done=known.seq == anchor.seq)

    def _lines(self, known: Checked) -> Iterator[Line]:
        for day in self._files.days():
            if day >= known.day:
                yield from self._files.lines(day, known.offset if day == known.day else 0)


def _changed(line: Line | None, known: Checked) -> str | None:
    if line is None or not line.complete or line.day != known.day:
        return "is gone: cut off"
    try:
        record = opened(line.content)
    except ValueError as error:
        return str(error)
    same = (record["seq"], record["hash"]) == (known.seq, known.hash)
    return None if same else "was replaced by another one"
