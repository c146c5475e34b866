"""The outbox's rows. Owns: what may be sent now, what is done with, what is set aside.

Read in the order of writing. A row leaves the outbox only when the memory is known to have it: a
process that is killed in between sends it again, to no effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select, update

from guardrails.clock import iso
from guardrails.store.fleet_tables import memory_outbox as table

_REST = timedelta(hours=1)  # of what was set aside, doubled each time
_LONGEST = 5
_SHOWN = 20


@dataclass(frozen=True)
class Waiting:
    """One fact that waits. Its kind is a `Fact`, or what another version of us wrote."""

    outbox_id: str
    kind: str
    key: str
    lead_id: str | None
    document: str


@dataclass(frozen=True)
class Backlog:
    """How the outbox stands.

    Args:
        waiting: all rows, those set aside included.
        oldest: since when the oldest waits.
        set_aside: rows that the memory rejected.
        rejected: of the first of those: kind, key and why.
    """

    waiting: int
    oldest: str | None
    set_aside: int
    rejected: tuple[tuple[str, str, str], ...]


def next_rows(conn: Connection, now: datetime, limit: int) -> list[Waiting]:
    """The oldest that may be sent now, at most `limit`."""
    ripe = or_(table.c.not_before.is_(None), table.c.not_before <= iso(now))
    query = select(table).where(ripe).order_by(table.c.outbox_id).limit(limit)
    return [_read(row) for row in conn.execute(query)]


def done(conn: Connection, ids: Sequence[str]) -> None:
    """The memory has them."""
    conn.execute(delete(table).where(table.c.outbox_id.in_(list(ids))))


def set_aside(conn: Connection, outbox_id: str, why: str, now: datetime) -> None:
    """The memory rejects it: it waits by itself, and is tried again after a long while."""
    here = table.c.outbox_id == outbox_id
    attempts = conn.execute(select(table.c.attempts).where(here)).scalar_one_or_none()
    if attempts is None:
        return  # its person was forgotten meanwhile
    until = now + _REST * 2 ** min(attempts, _LONGEST)
    values = {"attempts": attempts + 1, "note": why[:300], "not_before": iso(until)}
    conn.execute(update(table).where(here).values(values))


def try_again(conn: Connection) -> int:
    """What was set aside waits like the others, as if it had not been. Gives how many they are."""
    aside = update(table).where(table.c.not_before.is_not(None))
    return conn.execute(aside.values(not_before=None, note=None)).rowcount


def backlog(conn: Connection) -> Backlog:
    """How it stands."""
    counted = select(func.count(), func.min(table.c.created_at)).select_from(table)
    waiting, oldest = conn.execute(counted).one()
    aside = table.c.note.is_not(None)
    number = conn.execute(select(func.count()).select_from(table).where(aside)).scalar_one()
    query = select(table.c.kind, table.c.key, table.c.note).where(aside)
    rows = conn.execute(query.order_by(table.c.outbox_id).limit(_SHOWN))
    return Backlog(waiting, oldest, number, tuple((r.kind, r.key, r.note) for r in rows))


def _read(row: Any) -> Waiting:
    return Waiting(row.outbox_id, row.kind, row.key, row.lead_id, row.document)
