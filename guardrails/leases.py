"""Who works on this database now. Owns: sessions, their leases, and what the dead leave behind.

A session is one life of one hive's queen; it lives while its lease runs, by the database's clock.
Rows name the session that has them in hand. Whoever takes up work may take what nobody has, and
what a session has that does not live any more. Refuses to give a lease back: once it has run out,
or another queen of the same hive has begun, the session is over, and its rows are for others.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    or_,
    select,
    update,
)

from guardrails.clock import parse
from guardrails.errors import SwarmError
from guardrails.heartbeats import chain_tag, name_of
from guardrails.store import upsert
from guardrails.store.fleet_tables import workers
from guardrails.store.moments import database_now, db_moment

Json = dict[str, Any]


class LeaseLost(SwarmError):
    """The session is over: its lease ran out, or another queen of the same hive has begun."""

    code = "lease_lost"
    default_remedy = (
        "Nothing: what it had in hand is taken over, and it begins anew by itself. If it happens "
        "often, two processes use copies of one hive, or the database is away for long."
    )


class WorkerState(StrEnum):
    """How a worker stands."""

    ALIVE = "alive"  # its lease runs
    SILENT = "silent"  # its lease ran out: dead, frozen, or cut off; others take its work over
    ENDED = "ended"  # in order


@dataclass(frozen=True)
class Holder:
    """Who takes a lease. `worker` is the hive's audit chain, `version` that of the workflows."""

    worker: str
    host: str
    pid: int
    version: str
    mode: str


@dataclass(frozen=True)
class Worker:
    """One hive that works here, or has. Times are the database's."""

    worker: str
    session: str
    host: str
    pid: int
    version: str
    mode: str
    state: WorkerState
    started_at: datetime
    beat_at: datetime
    lease_until: datetime
    ended_at: datetime | None
    document: Json = field(default_factory=dict)


def new_session(worker: str) -> str:
    """A session's name, never used before; it names its worker."""
    return f"{worker[:27]}.{secrets.token_hex(6)}"


def take(
    conn: Connection,
    holder: Holder,
    session: str,
    seconds: float,
    says: Mapping[str, Any] | None = None,
    *,
    after: Collection[str] | None = None,
) -> None:
    """Begin a session, in a write transaction. The worker's former one is over.

    Args:
        says: what it tells of itself; no secrets, no addresses.
        after: the sessions that it may follow while their leases run; None for any.

    Raises:
        LeaseLost: another one lives: a later queen has this hive.
    """
    if after is not None:
        standing = select(workers.c.session, _runs().label("runs")).with_for_update()
        # Held until the commit: a later queen who begins at this moment comes after us.
        found = conn.execute(standing.where(workers.c.worker == holder.worker)).one_or_none()
        if found is not None and found.runs and found.session not in after:
            raise LeaseLost(f"the session {found.session} has this hive")
    now = database_now(conn)
    begun = {
        "worker": holder.worker, "session": session, "host": holder.host, "pid": holder.pid,
        "version": holder.version, "mode": holder.mode, "started_at": now, "beat_at": now,
        "lease_until": now, "ended_at": None,
        "document": json.dumps(dict(says or {}), ensure_ascii=False),
    }  # fmt: skip
    upsert(conn, workers, begun, ("worker",))
    begun_now = workers.c.session == session
    conn.execute(update(workers).where(begun_now).values(lease_until=db_moment(seconds)))


def renew(conn: Connection, worker: str, session: str, seconds: float) -> None:
    """Keep the lease until `seconds` from now, in a write transaction.

    Raises:
        LeaseLost: it has run out, or is another's.
    """
    kept = (
        update(workers)
        .where(workers.c.worker == worker, workers.c.session == session, _runs())
        .values(beat_at=db_moment(), lease_until=db_moment(seconds))
    )
    if conn.execute(kept.returning(workers.c.worker)).first() is None:
        raise LeaseLost(f"the session {session} is over")


def end(conn: Connection, worker: str, session: str) -> None:
    """End it in order: what it still has in hand is for others at once."""
    mine = (workers.c.worker == worker, workers.c.session == session)
    over = {"ended_at": db_moment(), "lease_until": db_moment()}
    conn.execute(update(workers).where(*mine).values(over))


def end_silent(conn: Connection, name: str) -> int:
    """A person says that the queen of this name, as heartbeats give it, is gone for good. One that
    lives is left alone. In a write transaction; gives how many it were.
    """
    gone = [
        one
        for one in read_workers(conn)
        if one.state is WorkerState.SILENT
        and name in (name_of("queen", one.host), name_of("queen", one.host, chain_tag(one.worker)))
    ]
    for one in gone:
        end(conn, one.worker, one.session)
    return len(gone)


def alive() -> Select[tuple[str]]:
    """The sessions that live, for a condition on who has a row in hand."""
    return select(workers.c.session).where(_runs())


def modes_elsewhere(session: str) -> Select[tuple[str]]:
    """In which modes the other hives work: those that did not end in order, heard of or not."""
    return select(workers.c.mode).where(workers.c.session != session, workers.c.ended_at.is_(None))


def lives(session: str) -> ColumnElement[bool]:
    """Whether that session lives: who has lost its lease takes nothing up."""
    return alive().where(workers.c.session == session).exists()


def free_for(
    session: str, claimed_by: Column[str | None], in_hand: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Whether `session` may take a row up.

    Nobody has it, or somebody who does not live; or the session itself has it and does not know,
    because the answer to its claim was lost.

    Args:
        in_hand: whether it is among those that the session knows to have, or wants to leave.
    """
    return and_(~in_hand, in_no_other_hand(session, claimed_by))


def in_no_other_hand(session: str, claimed_by: Column[str | None]) -> ColumnElement[bool]:
    """Whether nobody has a row who lives and is not that session."""
    return or_(claimed_by.is_(None), claimed_by == session, claimed_by.not_in(alive()))


def read_workers(conn: Connection) -> tuple[Worker, ...]:
    """Everybody who works here or has, by name."""
    now = database_now(conn)
    rows = conn.execute(select(workers).order_by(workers.c.worker)).mappings()
    return tuple(_worker(row, now) for row in rows)


def _runs() -> ColumnElement[bool]:
    return and_(workers.c.lease_until > db_moment(), workers.c.ended_at.is_(None))


def _worker(row: RowMapping, now: str) -> Worker:
    if row["ended_at"] is not None:
        state = WorkerState.ENDED
    else:
        state = WorkerState.ALIVE if row["lease_until"] > now else WorkerState.SILENT
    try:
        document = json.loads(row["document"] or "{}")
    except ValueError:
        document = {}
    return Worker(
        worker=row["worker"],
        session=row["session"],
        host=row["host"],
        pid=row["pid"],
        version=row["version"],
        mode=row["mode"],
        state=state,
        started_at=parse(row["started_at"]),
        beat_at=parse(row["beat_at"]),
        lease_until=parse(row["lease_until"]),
        ended_at=parse(row["ended_at"]) if row["ended_at"] else None,
        document=document if isinstance(document, dict) else {},
    )
