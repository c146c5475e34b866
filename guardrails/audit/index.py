"""The audit's rows in the database. Owns: the anchor of the chain, where each record stands, and
which decisions are taken.

Rows are derived from the files, except that the anchor is what the files must not fall behind. On
a database that machines share a row holds the record's line too, since nobody else can read this
machine's files; and a decision is claimed here before its record is written, so that of two
machines one records it.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, bindparam, delete, insert, select, update

from guardrails.audit.records import GENESIS, AuditHead, AuditRef, Record, line_of
from guardrails.errors import AuditBroken
from guardrails.remembering import remember_record
from guardrails.store import insert_if_absent
from guardrails.store.tables import audit_heads, audit_index


@dataclass(frozen=True)
class Place:
    """Where a record stands, and the hash it must have."""

    chain: str
    seq: int
    audit_id: str
    day: str
    offset: int
    hash: str


Names = tuple[str, str | None, str | None]  # audit id, decision id, lead id


def names_of(record: Record) -> tuple[Names, Names]:
    """How the row of a record may name it: as it names itself, or as one that lost its decision to
    another machine.
    """
    return (record["audit_id"], record["decision_id"], record["lead_id"]), _unnamed(record)


def _unnamed(record: Record) -> Names:
    return f"{record['audit_id']}~{record['chain']}", None, None


@cache
def _claim_statement() -> Executable:
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - most processes use SQLite

    statement = postgresql.insert(audit_index).on_conflict_do_nothing()
    return statement.returning(audit_index.c.seq)


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
            audit_index.c.chain,
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
            select(*place).where(column == bindparam("name")).order_by(audit_index.c.seq.desc())
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

    def claim(self, conn: Connection, records: Sequence[tuple[Record, str, int]]) -> bool:
        """Index (record, day, offset) triples that are about to be written, in order, and move
        the anchor to the last.

        Waits for another machine that claims one of their decisions at this moment.

        Returns:
            False when it was too late for one of them: nothing is indexed.
        """
        rows = [self._row(conn, record, day, offset) for record, day, offset in records]
        if conn.dialect.name == "sqlite":  # one writer at a time: nobody came in between
            conn.execute(self._insert, rows)
        else:
            # All machines claim in the same order: none waits for one that waits for it.
            rows.sort(key=lambda row: row["decision_id"] or "")
            if len(conn.execute(_claim_statement(), rows).all()) < len(rows):
                first = records[0][0]["seq"]
                mine = (audit_index.c.chain == self._chain, audit_index.c.seq >= first)
                ours = audit_index.c.audit_id.in_([row["audit_id"] for row in rows])
                conn.execute(delete(audit_index).where(*mine, ours))
                return False
        for record, _day, _offset in records:
            remember_record(conn, record)
        self._move_to(conn, records[-1][0])
        return True

    def add_found(self, conn: Connection, records: Sequence[tuple[Record, str, int]]) -> None:
        """The same for records that a crash left in the file without their rows.

        A decision that another machine has recorded meanwhile is that machine's: our record of
        it was acknowledged to nobody. It keeps its place in the chain and is found by no name.

        Raises:
            AuditBroken: another record is indexed in the place of one of them.
        """
        # In the order in which all machines claim: see `claim`.
        in_order = sorted(records, key=lambda one: one[0]["decision_id"] or "")
        ours = {one[0]["seq"] for one in in_order if self._add(conn, *one)}
        for record, _day, _offset in records:
            if record["seq"] in ours:
                remember_record(conn, record)
        self._move_to(conn, records[-1][0])

    def _add(self, conn: Connection, record: Record, day: str, offset: int) -> bool:
        """Whether the record kept its names."""
        row = self._row(conn, record, day, offset)
        if insert_if_absent(conn, audit_index, row):
            return True
        row |= dict(zip(("audit_id", "decision_id", "lead_id"), _unnamed(record), strict=True))
        if not insert_if_absent(conn, audit_index, row):
            raise AuditBroken(f"another record is indexed as {record['seq']} of this chain")
        return False

    def _move_to(self, conn: Connection, last: Record) -> None:
        conn.execute(self._move, {"s": last["seq"], "h": last["hash"], "at": last["at"]})

    def place(self, conn: Connection, seq: int) -> Place | None:
        """Where record `seq` stands."""
        row = conn.execute(self._places.where(audit_index.c.seq == seq)).first()
        return Place(*row) if row else None

    def find(self, conn: Connection, name: str) -> list[Place]:
        """The record with this audit or decision id, in whichever chain; else the latest of this
        lead in each chain.
        """
        for query in self._finds:
            latest: dict[str, Place] = {}
            for row in conn.execute(query, {"name": name}):
                latest.setdefault(row.chain, Place(*row))
            if latest:
                return list(latest.values())
        return []

    def line(self, conn: Connection, place: Place) -> bytes | None:
        """The line of a record, where rows hold it."""
        here = (audit_index.c.chain == place.chain, audit_index.c.seq == place.seq)
        text = conn.execute(select(audit_index.c.line).where(*here)).scalar_one_or_none()
        return None if text is None else text.encode()

    def places(self, conn: Connection) -> Generator[Place, None, None]:
        """All of them in order, few in memory at a time."""
        query = self._places.order_by(audit_index.c.seq)
        with conn.execute(query.execution_options(yield_per=500)) as rows:
            for row in rows:
                yield Place(*row)

    def _row(self, conn: Connection, record: Record, day: str, offset: int) -> dict[str, Any]:
        copied = ("seq", "audit_id", "decision_id", "lead_id", "run_id", "hash")
        row = {name: record[name] for name in copied}
        # On SQLite the database lies beside the files, and everybody who opens it reads them.
        line = None if conn.dialect.name == "sqlite" else line_of(record).decode()
        return {**row, "chain": self._chain, "day": day, "offset": offset, "line": line}
