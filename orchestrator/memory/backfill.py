"""What was there before the memory was. Owns: bringing a database's past into the outbox, once.

A page at a time, while nothing else waits, so that neither the database nor the outbox grows at
once. Whoever opted out before counts elsewhere as well. Audit records are left out: only their
files hold them whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Table, select

from guardrails.remembering import Fact, remember
from guardrails.store.fleet_tables import memory_cursors
from guardrails.store.people_tables import lessons, outcomes
from guardrails.store.rows import upsert
from guardrails.store.tables import suppressions
from guardrails.store.write_tables import deliveries

PAGE = 500
_CURSOR = "backfill"
_DONE = "done"
Told = tuple[Fact, str | None, dict[str, Any]]


def _suppression(row: Mapping[str, Any]) -> Told:
    told = {name: row[name] for name in ("kind", "reason", "source")}
    return Fact.SUPPRESSION, None, told | {"at": row["created_at"]}


def _outcome(row: Mapping[str, Any]) -> Told:
    names = ("kind", "reply_class", "vendor", "lead_id", "write_key", "audit_id", "at")
    return Fact.OUTCOME, row["lead_id"], {name: row[name] for name in names}


def _lesson(row: Mapping[str, Any]) -> Told:
    return Fact.LESSON, row["lead_id"], {"event": json.loads(row["document"])}


def _touch(row: Mapping[str, Any]) -> Told:
    told = {name: row[name] for name in ("lead_id", "run_id", "channel")}
    more = {"audit_id": row["delivery_id"], "at": row["updated_at"]}
    return Fact.TOUCH, row["lead_id"], told | more


_SOURCES: tuple[tuple[Table, Callable[[Mapping[str, Any]], Told]], ...] = (
    (suppressions, _suppression),
    (outcomes, _outcome),
    (deliveries, _touch),
    (lessons, _lesson),
)


def next_page(conn: Connection, at: str) -> bool:
    """Put the next page of the past into the outbox. Whether there may be more.

    In a write transaction; `at` is now, as UTC text.
    """
    name, _, after = _position(conn).partition(":")
    names = [table.name for table, _ in _SOURCES]
    if name == _DONE:
        return False
    table, told_by = _SOURCES[names.index(name)] if name in names else _SOURCES[0]
    (key,) = table.primary_key.columns
    query = select(table).where(key > after).order_by(key).limit(PAGE)
    if table is deliveries:
        query = query.where(deliveries.c.state == "sent")
    rows = conn.execute(query).mappings().all()
    for row in rows:
        fact, lead_id, document = told_by(dict(row))
        remember(conn, fact, row[key.name], at, document, lead_id)
    _move(conn, _following(table, rows, key.name), at)
    return True


def _following(table: Table, rows: Any, key: str) -> str:
    if len(rows) == PAGE:
        return f"{table.name}:{rows[-1][key]}"
    at = [one.name for one, _ in _SOURCES].index(table.name) + 1
    return f"{_SOURCES[at][0].name}:" if at < len(_SOURCES) else _DONE


def _position(conn: Connection) -> str:
    query = select(memory_cursors.c.position).where(memory_cursors.c.name == _CURSOR)
    return conn.execute(query).scalar_one_or_none() or ""


def _move(conn: Connection, position: str, at: str) -> None:
    row = {"name": _CURSOR, "position": position, "updated_at": at}
    upsert(conn, memory_cursors, row, ("name",))
