"""What may be claimed, as statements. Owns: which rows are free for a session, and taking them.

Hives of one database may work in different modes, and what is decided in one mode goes out in no
other. So a row is prepared, and a delivery made, in its run's mode; and what came in is not decided
about in shadow, where it would come to nothing, while another hive does more.
Every function works inside its caller's transaction. The rules are in `claims.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Update,
    and_,
    or_,
    select,
    tuple_,
    update,
)

from guardrails.clock import iso
from guardrails.leases import free_for, in_no_other_hand, lives, modes_elsewhere
from guardrails.model import Mode
from guardrails.store.people_tables import inbox
from guardrails.store.tables import run_items, runs
from guardrails.store.write_tables import deliveries
from orchestrator.delivery_rows import unfinished, ways_to_be_due
from orchestrator.inbox import Source
from orchestrator.inbox_state import InboxState

PEOPLE = ("visitors:", "submission:")  # run keys of people who came in one by one: they go first
# What came in of which a decision is made.
_DECIDED_ABOUT = (Source.RB2B.value, Source.SUBMISSION.value, Source.EDIT.value)


@dataclass(frozen=True)
class Pending:
    """A row that is to be prepared."""

    run_id: str
    row: int


def has_rows(conn: Connection, mode: Mode, session: str, in_hand: Collection[Pending]) -> bool:
    """Whether a row waits that `session` may take up."""
    asked = open_rows(mode, None, session, in_hand).limit(1)
    return conn.execute(asked).first() is not None


def has_deliveries(
    conn: Connection, now: datetime, mode: Mode, session: str, in_hand: Collection[str]
) -> bool:
    """Whether a delivery is due that `session` may take up."""
    free = and_(free_delivery(session, in_hand), ~sent_elsewhere(mode, session))
    asked = (select(deliveries.c.row).where(way, free) for way in ways_to_be_due(iso(now)))
    found: bool = conn.execute(select(or_(*(one.exists() for one in asked)))).scalar_one()
    return bool(found)


def has_received(
    conn: Connection, now: datetime, mode: Mode, session: str, in_hand: Collection[str]
) -> bool:
    """Whether something came in that `session` may take up."""
    free = free_received(mode, session, in_hand)
    return conn.execute(select(inbox.c.id).where(new_at(now), free).limit(1)).first() is not None


def new_at(now: datetime) -> ColumnElement[bool]:
    """Whether what came in can be worked on."""
    ripe = or_(inbox.c.not_before.is_(None), inbox.c.not_before <= iso(now))
    return and_(inbox.c.state == InboxState.NEW.value, ripe)


def wanted(run_id: str | None) -> list[tuple[ColumnElement[bool], tuple[Any, ...]]]:
    """Which rows, in which order: one question after the other."""
    place = (run_items.c.run_id, run_items.c.row)
    if run_id is not None:
        return [(run_items.c.run_id == run_id, place)]
    return [(of_people(), (run_items.c.updated_at, *place)), (~of_people(), place)]


def of_people() -> ColumnElement[bool]:
    """Whether a run is of people who came in one by one; else it is of a file."""
    return or_(*(runs.c.run_key.startswith(key, autoescape=True) for key in PEOPLE))


def open_rows(
    mode: Mode, run_id: str | None, session: str, in_hand: Collection[Pending]
) -> Select[Any]:
    """Rows that are to be prepared: of a run whose file is read to its end, and that nobody left;
    who drives a run himself names it.
    """
    here = tuple_(run_items.c.run_id, run_items.c.row)
    known = here.in_([(one.run_id, one.row) for one in in_hand])
    taken_up = (runs.c.total.is_not(None), runs.c.left_at.is_(None)) if run_id is None else ()
    return (
        select(run_items.c.run_id, run_items.c.row, run_items.c.claimed_by)
        .join(runs, runs.c.run_id == run_items.c.run_id)
        .where(
            run_items.c.state.is_(None),
            runs.c.status == "running",
            runs.c.mode == mode.value,
            *taken_up,
            free_for(session, run_items.c.claimed_by, known),
        )
    )


def free_delivery(session: str, in_hand: Collection[str]) -> ColumnElement[bool]:
    known = deliveries.c.delivery_id.in_(list(in_hand))
    return free_for(session, deliveries.c.claimed_by, known)


def sent_elsewhere(mode: Mode, session: str) -> ColumnElement[bool]:
    """Whether a delivery is of a run in another mode, in which another hive works. Where nobody
    does, whoever comes takes it, and it is refused with the reason.
    """
    run = select(runs.c.run_id).where(
        runs.c.run_id == deliveries.c.run_id,
        runs.c.mode != mode.value,
        runs.c.mode.in_(modes_elsewhere(session)),
    )
    return run.exists()


def free_received(mode: Mode, session: str, in_hand: Collection[str]) -> ColumnElement[bool]:
    free = free_for(session, inbox.c.claimed_by, inbox.c.id.in_(list(in_hand)))
    if mode is not Mode.SHADOW:
        return free
    others = modes_elsewhere(session)
    more = others.where(others.selected_columns.mode != Mode.SHADOW.value).exists()
    return and_(free, or_(inbox.c.source.not_in(_DECIDED_ABOUT), ~more))


def locked(asked: Select[Any], session: str, table: Any) -> Select[Any]:
    """PostgreSQL: rows that another is just taking are passed over. SQLite has one writer."""
    return asked.where(lives(session)).with_for_update(skip_locked=True, of=table)


def take_rows(conn: Connection, session: str, got: Sequence[Any]) -> list[Any]:
    """Take what `locked` found; gives what is ours now."""
    if not got:
        return []
    here = tuple_(run_items.c.run_id, run_items.c.row)
    taken = _taken(run_items, session).where(here.in_([(row.run_id, row.row) for row in got]))
    ours = {tuple(row) for row in conn.execute(taken.returning(*here.clauses))}
    return [row for row in got if (row.run_id, row.row) in ours]


def claim(conn: Connection, key: Any, got: Sequence[Any], session: str) -> list[Any]:
    """The same of another table, by its `key`."""
    if not got:
        return []
    ids = [getattr(row, key.name) for row in got]
    taken = _taken(key.table, session).where(key.in_(ids)).returning(key)
    ours = set(conn.execute(taken).scalars())
    return [row for row in got if getattr(row, key.name) in ours]


def _taken(table: Any, session: str) -> Update:
    """PostgreSQL: who lives is asked once more, now that the rows are held. The look that found
    them may be older than a session that has begun meanwhile and taken one of them.
    """
    free = in_no_other_hand(session, table.c.claimed_by)
    return update(table).where(free).values(claimed_by=session)


def give_rows_back(conn: Connection, session: str, rows: Collection[Pending]) -> None:
    if rows:
        places = [(one.run_id, one.row) for one in rows]
        there = tuple_(run_items.c.run_id, run_items.c.row).in_(places)
        mine = (there, run_items.c.claimed_by == session, run_items.c.state.is_(None))
        conn.execute(update(run_items).where(*mine).values(claimed_by=None))


def give_deliveries_back(conn: Connection, session: str, ids: Collection[str]) -> None:
    if ids:
        here = deliveries.c.delivery_id.in_(list(ids))
        mine = (here, deliveries.c.claimed_by == session, unfinished())
        conn.execute(update(deliveries).where(*mine).values(claimed_by=None))


def give_received_back(conn: Connection, session: str, ids: Collection[str]) -> None:
    if ids:
        here = inbox.c.id.in_(list(ids))
        mine = (here, inbox.c.claimed_by == session, inbox.c.state == InboxState.NEW.value)
        conn.execute(update(inbox).where(*mine).values(claimed_by=None))
