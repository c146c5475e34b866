"""One message on its way to Slack, step by step. Owns: who may post it, and what became of it.

Every step is one statement that changes the row only where it still stands as it was seen: of all
processes that reserve a message one may post it, and a late word undoes nothing that stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_, select, update

from guardrails.clock import iso, parse
from guardrails.store.people_tables import slack_messages as table
from orchestrator.slack.words import cut

ASKING, ENDED = 1, 2  # versions of a card: with its buttons, and without
_NOTE = 300
_TICK = timedelta(microseconds=1)
_REFUSED = timedelta(days=1)
REMEMBERED = timedelta(days=30)  # no approval waits that long: older rows are not looked through


class OutState(StrEnum):
    """Where a message stands."""

    NEW = "new"  # may be posted, not before `not_before`
    POSTING = "posting"  # reserved: it may have been posted, and is looked up first
    POSTED = "posted"
    FAILED = "failed"  # not posted, and it will not be: refused, or not wanted any more (`note`)


@dataclass(frozen=True)
class Outgoing:
    """One message. `mark` tells apart what stood here from what stands here now."""

    message_id: str
    kind: str
    approval_id: str | None
    reply_to: str | None
    document: Mapping[str, Any]
    state: OutState
    wanted: int
    shown: int
    channel: str | None
    ts: str | None
    attempts: int
    created_at: datetime
    mark: str


def due(conn: Connection, now: datetime, limit: int) -> list[Outgoing]:
    """What can be gone on with now: ends of cards first, then in order of age."""
    free = or_(table.c.not_before.is_(None), table.c.not_before <= iso(now))
    statement = (
        select(table)
        .where(free, unfinished(now))
        .order_by(table.c.shown.desc(), table.c.created_at, table.c.message_id)
        .limit(limit)
    )
    return [_read(row) for row in conn.execute(statement)]


def find(conn: Connection, message_id: str) -> Outgoing | None:
    """One message as it stands."""
    row = conn.execute(select(table).where(table.c.message_id == message_id)).first()
    return _read(row) if row is not None else None


def reserve(conn: Connection, seen: Outgoing, at: datetime, look_at: datetime) -> Outgoing | None:
    """Take a new message for posting; who gets it may post it, and nobody else.

    Args:
        look_at: when it is to be looked up, if nobody says what became of it.
    """
    values = {"state": OutState.POSTING.value, "not_before": iso(look_at)}
    if not _swap(conn, seen, OutState.NEW, at, values):
        return None
    return replace(seen, state=OutState.POSTING, mark=_mark(seen, at))


def release(conn: Connection, seen: Outgoing, at: datetime) -> bool:
    """It was looked for and is not there: it may be posted anew."""
    values = {"state": OutState.NEW.value, "not_before": None}
    return _swap(conn, seen, OutState.POSTING, at, values)


def posted(
    conn: Connection, message_id: str, channel: str, ts: str, shown: int, at: datetime
) -> None:
    """It stands there, and shows this version."""
    values = {
        "state": OutState.POSTED.value, "channel": channel, "ts": ts, "shown": shown,
        "attempts": 0, "not_before": None, "note": None, "updated_at": iso(at),
    }  # fmt: skip
    here = (table.c.message_id == message_id, table.c.state == OutState.POSTING.value)
    conn.execute(update(table).where(*here).values(values))


def shown(conn: Connection, message_id: str, version: int, at: datetime, note: str = "") -> None:
    """It shows this version now, or never will (`note` says why)."""
    values = {"shown": version, "attempts": 0, "not_before": None, "updated_at": iso(at)}
    here = (table.c.message_id == message_id, table.c.shown < version)
    conn.execute(update(table).where(*here).values(values | {"note": cut(note, _NOTE) or None}))


def rest(
    conn: Connection,
    seen: Outgoing,
    state: OutState,
    at: datetime,
    until: datetime | None,
    note: str,
) -> bool:
    """It did not work: `state` from now on, and not before `until`.

    Whatever somebody else has done with it meanwhile stands: of one that is being posted anew
    nobody may say when it is looked up.
    """
    values = {
        "state": state.value, "attempts": table.c.attempts + 1, "note": cut(note, _NOTE),
        "not_before": iso(until) if until else None,
    }  # fmt: skip
    return _swap(conn, seen, seen.state, at, values)


def unneeded(conn: Connection, seen: Outgoing, at: datetime, why: str) -> None:
    """Nothing more of it is to be shown; what stands in Slack already stays there."""
    stands = seen.state is OutState.POSTED
    values = {
        "state": (OutState.POSTED if stands else OutState.FAILED).value, "wanted": table.c.shown,
        "not_before": None, "note": cut(why, _NOTE), "updated_at": iso(at),
    }  # fmt: skip
    here = (table.c.message_id == seen.message_id, table.c.state == seen.state.value)
    conn.execute(update(table).where(*here).values(values))


is_card = table.c.kind == "card"


def refused(now: datetime) -> ColumnElement[bool]:
    """What Slack would not take, of the last day: what it was about is over then."""
    lately = table.c.updated_at >= iso(now - _REFUSED)
    return (table.c.state == OutState.FAILED.value) & (table.c.wanted > table.c.shown) & lately


def asking(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Cards with their buttons on."""
    recent = table.c.created_at >= iso(now - REMEMBERED)
    return (is_card, table.c.wanted == ASKING, recent)


def unfinished(now: datetime) -> ColumnElement[bool]:
    """What is not shown, or shows something old."""
    unposted = table.c.state.in_((OutState.NEW.value, OutState.POSTING.value))
    recent = table.c.created_at >= iso(now - REMEMBERED)
    outdated = (table.c.state == OutState.POSTED.value) & (table.c.shown < table.c.wanted) & recent
    return or_(unposted, outdated)


def _swap(
    conn: Connection, seen: Outgoing, state: OutState, at: datetime, values: dict[str, Any]
) -> bool:
    """Change it if it still stands as it was seen; the mark changes though the clock may not."""
    here = (
        table.c.message_id == seen.message_id,
        table.c.updated_at == seen.mark,
        table.c.state == state.value,
    )
    marked = values | {"updated_at": _mark(seen, at)}
    return conn.execute(update(table).where(*here).values(marked)).rowcount == 1


def _mark(seen: Outgoing, at: datetime) -> str:
    return iso(max(at, parse(seen.mark) + _TICK))


def _read(row: Any) -> Outgoing:
    return Outgoing(
        message_id=row.message_id,
        kind=row.kind,
        approval_id=row.approval_id,
        reply_to=row.reply_to,
        document=json.loads(row.document) if row.document else {},
        state=OutState(row.state),
        wanted=row.wanted,
        shown=row.shown,
        channel=row.channel,
        ts=row.ts,
        attempts=row.attempts,
        created_at=parse(row.created_at),
        mark=row.updated_at,
    )
