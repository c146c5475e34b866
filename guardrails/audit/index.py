"""The audit's rows in the database. Owns: the anchor of the chain and where each record stands.

Both are derived from the files, except that the anchor is what the files must not fall behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from guardrails.audit.records import GENESIS, AuditHead, AuditRef, Record
from guardrails.store import insert_if_absent
from guardrails.store.tables import audit_heads, audit_index


@dataclass(frozen=True)
class Place:
    """Where a record stands, and the hash it must have."""

    seq: int
    audit_id: str
    day: str
    offset: int
    hash: str


class AuditIndex:
    """Rows of one chain; every method works within the caller's transaction."""

    def __init__(self, chain: str) -> None:
        self._chain = chain
        # Statements are built once: building them costs more than running them.
        self._anchor = select(audit_heads.c.seq, audit_heads.c.hash).where(
            audit_heads.c.chain == chain
        )
        self._move = (
            update(audit_heads)
            .where(audit_heads.c.chain == chain)
            .values(seq=bindparam("s"), hash=bindparam("h"), updated_at=bindparam("at"))
        )
        self._recorded = select(
            audit_index.c.decision_id, audit_index.c.audit_id, audit_index.c.hash, audit_index.c.seq
        ).where(audit_index.c.decision_id.in_(bindparam("decisions", expanding=True)))
        self._insert = insert(audit_index)
        place = (
            audit_index.c.seq,
            audit_index.c.audit_id,
            audit_index.c.day,
            audit_index.c.offset,
            audit_index.c.hash,
        )
        self._places = select(*place).where(audit_index.c.chain == chain)
        # One query for each name, and no condition on the chain: SQLite would walk the whole
        # chain by its primary key rather than use the index of the name.
        self._finds = [
            select(audit_index.c.chain, *place)
            .where(column == bindparam("name"))
            .order_by(audit_index.c.seq.desc())
            for column in (audit_index.c.audit_id, audit_index.c.decision_id, audit_index.c.lead_id)
        ]

    def anchor(self, conn: Connection) -> AuditHead | None:
        """The anchored head, or None when the chain was never begun in this database."""
        row = conn.execute(self._anchor).first()
        return AuditHead(row.seq, row.hash) if row else None

    def begin(self, conn: Connection, at: str) -> None:
        """Anchor the empty chain."""
        row = {"chain": self._chain, "seq": 0, "hash": GENESIS, "updated_at": at}
        insert_if_absent(conn, audit_heads, row)

    def recorded(self, conn: Connection, decisions: Collection[str]) -> dict[str, AuditRef]:
        """Records of these decisions, in any chain of this database."""
        if not decisions:
            return {}
        rows = conn.execute(self._recorded, {"decisions": list(decisions)})
        return {
            row.decision_id: AuditRef(row.audit_id, row.hash, row.seq, existing=True)
            for row in rows
        }

    def add(
        self, conn: Connection, records: Sequence[tuple[Record, str, int]], *, again: bool = False
    ) -> None:
        """Index (record, day, offset) triples, in order, and move the anchor to the last.

        Args:
            again: they were found in the file: a decision that another machine has recorded
                meanwhile keeps that machine's row.
        """
        if not records:
            return
        rows = [self._row(record, day, offset) for record, day, offset in records]
        if again:
            for row in rows:
                insert_if_absent(conn, audit_index, row)
        else:
            conn.execute(self._insert, rows)
        last = records[-1][0]
        conn.execute(self._move, {"s": last["seq"], "h": last["hash"], "at": last["at"]})

    def place(self, conn: Connection, seq: int) -> Place | None:
        """Where record `seq` stands."""
        row = conn.execute(self._places.where(audit_index.c.seq == seq)).first()
        return Place(*row) if row else None

    def find(self, conn: Connection, name: str) -> Place | None:
        """The record with this audit or decision id, else the latest of this lead."""
        for query in self._finds:
            for row in conn.execute(query, {"name": name}):
                if row.chain == self._chain:
                    return Place(*row[1:])
        return None

    def places(self, conn: Connection) -> Iterator[Place]:
        """All of them in order, few in memory at a time."""
        query = self._places.order_by(audit_index.c.seq)
        for row in conn.execute(query.execution_options(yield_per=500)):
            yield Place(*row)

    def _row(self, record: Record, day: str, offset: int) -> dict[str, Any]:
        copied = ("seq", "audit_id", "decision_id", "lead_id", "run_id", "hash")
        row = {name: record[name] for name in copied}
        return {**row, "chain": self._chain, "day": day, "offset": offset}
