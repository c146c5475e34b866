"""What chains say about each other. Owns: noting the other chains' heads in our own.

On a shared database everything of a chain but its owner's files lies in tables: whoever can write
there could rewrite records, index and anchor together, and only the owner would notice. So each
hive records now and then where the others stand; the note lies in its own files, and rewriting
what it noted shows (`verify_fleet`). Notes about notes alone are not made, or two idle hives would
note each other for ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from sqlalchemy import Connection, select, tuple_

from guardrails.audit.log import AuditLog
from guardrails.audit.records import AuditEntry, AuditHead, Record
from guardrails.errors import SwarmError
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.tables import audit_heads, audit_index

log = structlog.get_logger(__name__)
KIND = "anchor"
_LOOKED_AT = 50  # records of another chain; more of them are not all notes


class HeadNotes:
    """Notes the others' heads for one hive; remembers in memory alone what it has noted."""

    def __init__(self, hive: Hive, store: Store, audit: AuditLog) -> None:
        self._chain = hive.chain_id()
        self._store = store
        self._audit = audit
        self._noted: dict[str, int] = {}

    async def note(self) -> int:
        """Record the heads that have moved since the last note; gives how many.

        Raises:
            AuditUnwritable, AuditBroken, StoreUnavailable: it is not on record.
        """
        heads = await self._store.query(self._moved)
        if heads:
            told = {chain: {"seq": head.seq, "hash": head.hash} for chain, head in heads.items()}
            await self._audit.record([AuditEntry(KIND, "audit", {"heads": told})])
            self._noted |= {chain: head.seq for chain, head in heads.items()}
        return len(heads)

    async def note_last(self) -> None:
        """The same at an orderly end, which it does not hold up."""
        try:
            await self.note()
        except SwarmError as error:
            log.warning("heads_not_noted", code=error.code, why=error.message[:300])

    def _moved(self, conn: Connection) -> dict[str, AuditHead]:
        return {
            chain: head
            for chain, head in heads_of_others(conn, self._chain).items()
            if self._says_something(conn, chain, head.seq)
        }

    def _says_something(self, conn: Connection, chain: str, head: int) -> bool:
        noted = self._noted.get(chain)
        if noted is None or head - noted > _LOOKED_AT:
            return True
        new = select(audit_index.c.line).where(
            audit_index.c.chain == chain, audit_index.c.seq > noted, audit_index.c.seq <= head
        )
        return any(not _is_note(line) for line in conn.execute(new).scalars())


def heads_of_others(conn: Connection, own: str) -> dict[str, AuditHead]:
    """Where the other chains of this database stand now."""
    others = select(audit_heads).where(audit_heads.c.chain != own).order_by(audit_heads.c.chain)
    return {row.chain: AuditHead(row.seq, row.hash) for row in conn.execute(others) if row.seq}


def rewritten(conn: Connection, seen: Mapping[str, AuditHead]) -> str | None:
    """The first of these chains in which the record that was its head is not there any more."""
    key = tuple_(audit_index.c.chain, audit_index.c.seq)
    wanted = [(chain, head.seq) for chain, head in seen.items()]
    rows = select(audit_index.c.chain, audit_index.c.hash).where(key.in_(wanted))
    there = {row.chain: row.hash for row in conn.execute(rows)}
    for chain, head in sorted(seen.items()):
        if there.get(chain) != head.hash:
            return f"record {head.seq} of another machine's chain {chain} is not the one that was"
    return None


def noted_in(record: Record) -> Iterator[tuple[str, AuditHead]]:
    """The heads that a record notes; none unless it is a note.

    Raises:
        ValueError: it calls itself a note and is none.
    """
    if record["kind"] != KIND:
        return
    heads: Any = record["body"].get("heads") if isinstance(record["body"], dict) else None
    if not isinstance(heads, dict):
        raise ValueError("calls itself a note of heads and holds none")
    for chain, head in heads.items():
        if not isinstance(head, dict) or not isinstance(head.get("seq"), int):
            raise ValueError(f"its note about {chain} has no number")
        yield chain, AuditHead(head["seq"], str(head.get("hash")))


def _is_note(line: str | None) -> bool:
    try:
        return bool(json.loads(line or "{}").get("kind") == KIND)
    except ValueError:
        return False
