"""The audit log of one hive. Owns: recording decisions before anybody acts on them (P2).

A record is on disk (fsync) and anchored in the database before `record` returns. Order of an
append: lock, database transaction, index and anchor, file, fsync, commit. The index comes first
because it decides between two machines that record one decision: the second waits for the first
one's commit and is given that record. A crash in between leaves records in the file beyond the
anchor; the next append indexes them first, so a retried decision finds its record. Refuses to
append to files that lack what the anchor says (P6).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from guardrails.audit.elsewhere import records_elsewhere
from guardrails.audit.files import DayFiles
from guardrails.audit.index import AuditIndex, Place
from guardrails.audit.records import (
    GENESIS,
    AuditEntry,
    AuditHead,
    AuditRef,
    AuditReport,
    Record,
    audit_id_of,
    checked,
    opened,
    sealed,
)
from guardrails.audit.recovery import Tail, recover
from guardrails.audit.verify import verify_chain
from guardrails.batching import Batcher, Outcome
from guardrails.clock import Clock, iso
from guardrails.errors import AuditBroken, AuditUnwritable
from guardrails.hive import Hive
from guardrails.store import Store


class AuditLog:
    """Append-only, hash-chained. Several processes may share a hive; threads may share this.

    Args:
        new_id: random part of the id of a record without a decision (16 hex digits).
    """

    def __init__(
        self,
        hive: Hive,
        store: Store,
        clock: Clock,
        new_id: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._chain = hive.chain_id()
        self._files = DayFiles(hive.audit_dir)
        self._index = AuditIndex(self._chain)
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._tail: Tail | None = None
        self._batcher: Batcher[Sequence[AuditEntry], list[AuditRef]] = Batcher(
            "audit", self._record, lambda: AuditUnwritable("the audit log is closed")
        )

    async def record(self, entries: Sequence[AuditEntry]) -> list[AuditRef]:
        """Put `entries` on disk; concurrent calls share one fsync and one commit.

        An entry whose `decision_id` is recorded already gives that record (`existing`).

        Raises:
            BadInput: an entry may not be recorded; none of them was.
            AuditUnwritable: disk, permissions or lock; StoreUnavailable: no anchor. The answer
                to whatever was to be decided is no.
            AuditBroken: the files and the anchor disagree.
        """
        fit = [checked(entry) for entry in entries]
        return await asyncio.wrap_future(self._batcher.submit(fit))

    def find(self, name: str) -> Record | None:
        """The record of an audit id or a decision id, or the latest of a lead id.

        Our own is read from its file; another machine's from the database, and believed if it
        hashes to what the index says.

        Raises:
            AuditBroken: it is indexed, and is not there any more as it was written.
            StoreUnavailable: the index cannot be read.
        """
        with self._store.read() as conn:
            places = self._index.find(conn, name)
            told = {p: self._index.line(conn, p) for p in places if p.chain != self._chain}
        found = [self._opened(place, told.get(place)) for place in places]
        for record in found:
            if name not in (record["audit_id"], record["decision_id"], record["lead_id"]):
                raise AuditBroken(f"record {record['audit_id']} is indexed as {name}, and is not")
        return max(found, key=lambda record: str(record["at"]), default=None)

    def _opened(self, place: Place, line: bytes | None) -> Record:
        try:
            if place.chain == self._chain:
                line = self._files.line_at(place.day, place.offset)
            if line is None:
                raise AuditBroken(f"record {place.audit_id} stands in another machine's files only")
            record = opened(line)
        except (OSError, ValueError) as error:
            raise AuditBroken(f"record {place.audit_id} cannot be read back: {error}") from error
        stands = (record["hash"], record["audit_id"], record["chain"])
        if stands != (place.hash, place.audit_id, place.chain):
            raise AuditBroken(f"record {place.audit_id} was replaced by another one")
        return record

    def head(self) -> AuditHead:
        """The newest anchored record. Raises StoreUnavailable."""
        with self._store.read() as conn:
            return self._index.anchor(conn) or AuditHead(0, GENESIS)

    def verify(self) -> AuditReport:
        """Walk the whole chain; names the first record that does not hold.

        Safe while others append. Raises StoreUnavailable when the anchor cannot be read.
        """
        return verify_chain(self._chain, self._files, self._index, self._store)

    def iter_everywhere(self, day: str | None = None) -> Iterator[Record]:
        """This hive's records, then those of every other hive of the database.

        Raises: as `iter_records`, and StoreUnavailable.
        """
        yield from self.iter_records(day)
        yield from records_elsewhere(self._chain, self._store, day)

    def iter_records(self, day: str | None = None) -> Iterator[Record]:
        """Every record of this hive, or those of `day` (YYYY-MM-DD), oldest first, one in memory
        at a time.

        Raises:
            AuditBroken: a line is no record. An unfinished last line is left out.
        """
        try:
            days = [each for each in self._files.days() if day in (None, each)]
            for each in days:
                for line in self._files.lines(each):
                    if line.complete:
                        yield opened(line.content)
        except (OSError, ValueError) as error:
            raise AuditBroken(f"the audit cannot be read: {error}") from error

    def close(self) -> None:
        """Finish what was submitted. The store stays open."""
        self._batcher.close()

    def _record(self, batch: Sequence[Sequence[AuditEntry]]) -> list[Outcome[list[AuditRef]]]:
        flat = [entry for entries in batch for entry in entries]
        with self._files.locked():
            try:
                refs = iter(self._append(flat))
            except BaseException:
                self._tail = None  # what the file holds now is for the next append to find out
                raise
        return [Outcome([next(refs) for _ in entries]) for entries in batch]

    def _append(self, entries: Sequence[AuditEntry]) -> list[AuditRef]:
        tail = self._current() or recover(
            self._chain, self._files, self._index, self._store, iso(self._clock())
        )
        with self._store.transaction() as conn:
            if self._index.anchor(conn) != tail.head:
                raise AuditBroken("the anchor in the database is not the last record's")
            refs, tail = self._claimed(conn, entries, tail)
        self._tail = tail
        return refs

    def _claimed(
        self, conn: Connection, entries: Sequence[AuditEntry], tail: Tail
    ) -> tuple[list[AuditRef], Tail]:
        wanted = {entry.decision_id for entry in entries if entry.decision_id}
        before = -1
        while True:
            known = self._index.recorded(conn, wanted)
            if len(known) == before:
                raise AuditBroken("the index holds a record that this chain does not")
            before = len(known)
            refs, records, content = self._build(entries, known, tail.head)
            if not records:
                return refs, tail
            # A clock that went back must not put a record into a file before the last one.
            day = max(records[-1][0]["at"][:10], tail.day)
            base = tail.state[1] if day == tail.day else 0
            placed = [(record, day, base + offset) for record, offset in records]
            if self._index.claim(conn, placed):
                return refs, self._write(placed[-1][0], day, base, content)
            # Another machine has recorded one of them a moment ago: that is the record of it.

    def _build(
        self, entries: Sequence[AuditEntry], known: dict[str, AuditRef], head: AuditHead
    ) -> tuple[list[AuditRef], list[tuple[Record, int]], bytes]:
        """References for all, and the new ones as (record, offset within the new content)."""
        refs: list[AuditRef] = []
        records: list[tuple[Record, int]] = []
        content = bytearray()
        at = iso(self._clock())
        for entry in entries:
            if entry.decision_id and (existing := known.get(entry.decision_id)):
                refs.append(existing)
                continue
            record, line = sealed(self._fields(entry, head, at))
            records.append((record, len(content)))
            content += line
            head = AuditHead(record["seq"], record["hash"])
            ref = AuditRef(record["audit_id"], head.hash, head.seq, existing=False)
            refs.append(ref)
            if entry.decision_id:
                known[entry.decision_id] = replace(ref, existing=True)
        return refs, records, bytes(content)

    def _fields(self, entry: AuditEntry, head: AuditHead, at: str) -> dict[str, Any]:
        decision = entry.decision_id
        return {
            "seq": head.seq + 1,
            "audit_id": audit_id_of(decision) if decision else f"A-{self._new_id()}",
            "at": at,
            "kind": entry.kind,
            "actor": entry.actor,
            "chain": self._chain,
            "lead_id": entry.lead_id,
            "run_id": entry.run_id,
            "decision_id": decision,
            "body": entry.body,
            "prev": head.hash,
        }

    def _write(self, last: Record, day: str, base: int, content: bytes) -> Tail:
        if self._files.append(day, content) != base:
            raise AuditUnwritable(f"{day}: the audit's file has another length than was written")
        return Tail(AuditHead(last["seq"], last["hash"]), day, self._files.state(day))

    def _current(self) -> Tail | None:
        """The tail of our last append, while nobody has written since."""
        tail = self._tail
        try:
            last = self._files.days()[-1:]
            if tail and last == [tail.day] and self._files.state(tail.day) == tail.state:
                return tail
        except OSError:
            return None  # recovery will say what is wrong
        return None
