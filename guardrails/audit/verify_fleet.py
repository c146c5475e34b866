"""Checking all chains of a shared database. Owns: naming the first that does not hold.

Our own chain is read from its files and compared with its rows; another one is read from its rows'
lines, each of which must be the record that its hash says, follow the one before, and lead to its
anchor. A row must name its record as the record does, since decisions are found by rows; and no
row may stand beyond an anchor. Then every head that any chain has noted about another must still
be there. Reads in small pieces; safe while all of them append.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, or_, select, tuple_

from guardrails.audit.anchors import noted_in
from guardrails.audit.files import DayFiles
from guardrails.audit.index import names_of
from guardrails.audit.records import GENESIS, AuditHead, Record, misfit, opened
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.tables import audit_heads, audit_index

_PAGE = 200  # rows at a time, each with its line
_NOTES = 200  # notes looked up at a time


@dataclass(frozen=True)
class ChainReport:
    """One chain: how many records hold, from the first, and the first that does not."""

    chain: str
    records: int
    problem: str | None = None


@dataclass(frozen=True)
class FleetReport:
    """All chains. `notes`: how many noted heads were compared."""

    ok: bool
    chains: tuple[ChainReport, ...]
    notes: int
    problem: str | None = None


@dataclass(frozen=True)
class _Note:
    """Record `seq` of chain `by` says that record `head.seq` of `chain` has that hash."""

    by: str
    seq: int
    chain: str
    head: AuditHead


class _Broken(Exception):
    """A chain does not hold: says why."""


def verify_fleet(hive: Hive, store: Store) -> FleetReport:
    """Check every chain of the database, our own first.

    Raises:
        StoreUnavailable: the database cannot be read.
    """
    return _Check(hive, store).run()


class _Check:
    def __init__(self, hive: Hive, store: Store) -> None:
        self._own = hive.chain_id()
        self._files = DayFiles(hive.audit_dir)
        self._store = store
        self._notes: list[_Note] = []
        self._compared = 0
        self._refuted: str | None = None

    def run(self) -> FleetReport:
        chains = tuple(self._chain(name, anchor) for name, anchor in self._anchors())
        self._compare()
        problems = (chain.problem for chain in chains if chain.problem)
        problem = next(problems, self._refuted) or self._unsealed()
        return FleetReport(problem is None, chains, self._compared, problem)

    def _anchors(self) -> list[tuple[str, AuditHead]]:
        with self._store.read() as conn:
            rows = conn.execute(select(audit_heads).order_by(audit_heads.c.chain)).all()
        found = [(row.chain, AuditHead(row.seq, row.hash)) for row in rows]
        return sorted(found, key=lambda one: one[0] != self._own)

    def _chain(self, name: str, anchor: AuditHead) -> ChainReport:
        head = AuditHead(0, GENESIS)
        own = self._records() if name == self._own else None
        try:
            for row in self._rows(name, anchor.seq):
                record = self._record(row, own)
                if why := misfit(record, head, name):
                    raise _Broken(f"a record {why}")
                head = AuditHead(record["seq"], record["hash"])
                self._take_notes(record)
            if head != anchor:
                raise _Broken(f"the anchor seals {anchor.seq} records, and another end of them")
        except (_Broken, ValueError, OSError) as error:
            why = f"chain {name}, record {head.seq + 1}: {error}"
            return ChainReport(name, head.seq, why)
        return ChainReport(name, head.seq)

    def _record(self, row: Row[Any], own: Iterator[Record] | None) -> Record:
        if own is None:
            if row.line is None:
                raise _Broken("stands in its own machine's files only, which cannot be read here")
            record = opened(row.line.encode())
        else:
            found = next(own, None)
            if found is None:
                raise _Broken("is indexed and not in the files")
            record = found
        if record["hash"] != row.hash:
            raise _Broken("is not what was indexed: rewritten")
        self._require_its_names(row, record)
        return record

    def _require_its_names(self, row: Row[Any], record: Record) -> None:
        its_own, nobodys = names_of(record)
        names = (row.audit_id, row.decision_id, row.lead_id)
        if names not in (its_own, nobodys):
            raise _Broken("is indexed under the names of another one")
        if names == nobodys and not self._is_named(record["audit_id"]):
            raise _Broken("is found by no name, and no other machine recorded its decision")

    def _is_named(self, audit_id: str) -> bool:
        row = select(audit_index.c.seq).where(audit_index.c.audit_id == audit_id)
        with self._store.read() as conn:
            return conn.execute(row).first() is not None

    def _records(self) -> Iterator[Record]:
        for day in self._files.days():
            for line in self._files.lines(day):
                if line.complete:
                    yield opened(line.content)

    def _rows(self, chain: str, upto: int) -> Iterator[Row[Any]]:
        names = (audit_index.c.audit_id, audit_index.c.decision_id, audit_index.c.lead_id)
        columns = [audit_index.c.seq, audit_index.c.hash, *names]
        if chain != self._own:
            columns.append(audit_index.c.line)
        seen = 0
        while seen < upto:
            here = (audit_index.c.chain == chain, audit_index.c.seq.between(seen + 1, upto))
            page = select(*columns).where(*here).order_by(audit_index.c.seq).limit(_PAGE)
            with self._store.read() as conn:
                rows = conn.execute(page).all()
            if not rows:
                return
            yield from rows
            seen = rows[-1].seq

    def _unsealed(self) -> str | None:
        """A row that no anchor seals: they are written together, whoever appends."""
        anchor = audit_heads.c.chain == audit_index.c.chain
        rows = select(audit_index.c.chain, audit_index.c.seq).outerjoin(audit_heads, anchor)
        beyond = or_(audit_heads.c.seq.is_(None), audit_index.c.seq > audit_heads.c.seq)
        first = rows.where(beyond).order_by(audit_index.c.chain, audit_index.c.seq).limit(1)
        with self._store.read() as conn:
            row = conn.execute(first).first()
        return f"chain {row.chain}, record {row.seq}: no anchor seals it" if row else None

    def _take_notes(self, record: Record) -> None:
        for chain, head in noted_in(record):
            self._notes.append(_Note(record["chain"], record["seq"], chain, head))
        if len(self._notes) >= _NOTES:
            self._compare()

    def _compare(self) -> None:
        """What was noted with what stands there now. The rows were, or will be, compared with
        their records by `_chain`.
        """
        notes, self._notes = self._notes, []
        self._compared += len(notes)
        if notes and self._refuted is None:
            there = self._hashes([(note.chain, note.head.seq) for note in notes])
            for note in notes:
                self._refuted = self._refuted or _refuted(note, there)

    def _hashes(self, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
        key = tuple_(audit_index.c.chain, audit_index.c.seq)
        rows = select(audit_index.c.chain, audit_index.c.seq, audit_index.c.hash)
        with self._store.read() as conn:
            found = conn.execute(rows.where(key.in_(wanted))).all()
        return {(row.chain, row.seq): row.hash for row in found}


def _refuted(note: _Note, there: dict[tuple[str, int], str]) -> str | None:
    said = f"chain {note.chain}, record {note.head.seq}"
    by = f"when chain {note.by} noted it in its record {note.seq}"
    now = there.get((note.chain, note.head.seq))
    if now is None:
        return f"{said}: is gone, and was there {by}: the end was cut off"
    if now != note.head.hash:
        return f"{said}: was another one {by}: rewritten"
    return None
