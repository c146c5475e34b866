"""Messages on their way to Slack, in the database. Owns: each once, and what it should show.

A message is reserved here (`posting`) before it is posted; only what is reserved is posted, and
what is found reserved after a crash or a doubt is looked up in Slack first. Cards follow
`approvals`; notices are queued in the transaction that makes them. Refuses to forget: what Slack
would not take stays as `failed`, with its reason.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select, update

from guardrails.approval_model import ApprovalState
from guardrails.clock import iso, parse
from guardrails.store import insert_if_absent
from guardrails.store.people_tables import approvals
from guardrails.store.people_tables import slack_messages as table
from orchestrator.slack.words import cut, escaped, visible

ASKING, ENDED = 1, 2  # versions of a card: with its buttons, and without
_LONGEST = 3000
_NOTE = 300
_TICK = timedelta(microseconds=1)
_REMEMBERED = timedelta(days=30)  # no approval waits that long: older rows are not looked through


class OutState(StrEnum):
    """Where a message stands."""

    NEW = "new"  # may be posted, not before `not_before`
    POSTING = "posting"  # reserved: it may have been posted, and is looked up first
    POSTED = "posted"
    FAILED = "failed"  # not posted, and it will not be: see `note`


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


def card_id(approval_id: str) -> str:
    """The message id of an approval's card."""
    return f"card:{approval_id}"


def notice(
    conn: Connection,
    key: str,
    text: str,
    *,
    at: datetime,
    approval_id: str | None = None,
    mention: str | None = None,
    while_waiting: bool = False,
) -> bool:
    """Queue a notice once, in the caller's transaction. Returns whether it is new.

    Args:
        key: what it is about, e.g. `edit_refused:<inbox id>`; the same key is the same notice.
        text: plain words; they are shown as they are, and call nobody.
        approval_id: it stands in the thread of this approval's card.
        mention: Slack user id of a person who is called by it.
        while_waiting: it is dropped when the approval has ended before it was posted.
    """
    said = escaped(cut(visible(text), _LONGEST))
    document = {
        "text": f"<@{mention}> {said}" if mention else said,
        "while_waiting": while_waiting,
    }
    row = _row(notice_id(key), "notice", at) | {
        "approval_id": approval_id,
        "reply_to": card_id(approval_id) if approval_id else None,
        "document": json.dumps(document),
    }
    return insert_if_absent(conn, table, row)


def notice_id(key: str) -> str:
    """The message id of a notice: a long key is told by its digest."""
    name = f"notice:{key}"
    return name if len(name) <= 80 else f"notice:{hashlib.sha256(key.encode()).hexdigest()}"


def catch_up(conn: Connection, at: datetime, limit: int = 50) -> int:
    """Bring cards in line with approvals: one for each that waits, an end on each that ended."""
    waiting = approvals.c.state == ApprovalState.WAITING.value
    carded = exists().where(table.c.approval_id == approvals.c.approval_id, _is_card)
    bare = select(approvals.c.approval_id).where(waiting, ~carded).order_by(approvals.c.due_at)
    changed = 0
    for approval_id in list(conn.execute(bare.limit(limit)).scalars()):
        row = _row(card_id(approval_id), "card", at) | {"approval_id": approval_id}
        changed += insert_if_absent(conn, table, row)
    here = approvals.c.approval_id == table.c.approval_id
    stale = (*_asking(at), exists().where(here, ~waiting))
    ended = {"wanted": ENDED, "not_before": None, "updated_at": iso(at)}
    return changed + conn.execute(update(table).where(*stale).values(ended)).rowcount


def behind(conn: Connection, now: datetime) -> bool:
    """Whether `catch_up` has anything to do; a cheap question."""
    waiting = approvals.c.state == ApprovalState.WAITING.value
    carded = exists().where(table.c.approval_id == approvals.c.approval_id, _is_card)
    if conn.execute(select(approvals.c.approval_id).where(waiting, ~carded).limit(1)).first():
        return True
    ended = exists().where(approvals.c.approval_id == table.c.approval_id, ~waiting)
    stale = select(table.c.message_id).where(*_asking(now), ended)
    return conn.execute(stale.limit(1)).first() is not None


def due(conn: Connection, now: datetime, limit: int) -> list[Outgoing]:
    """What can be gone on with now: ends of cards first, then in order of age."""
    free = or_(table.c.not_before.is_(None), table.c.not_before <= iso(now))
    statement = (
        select(table)
        .where(free, _unfinished(now))
        .order_by(table.c.shown.desc(), table.c.created_at, table.c.message_id)
        .limit(limit)
    )
    return [_read(row) for row in conn.execute(statement)]


def find(conn: Connection, message_id: str) -> Outgoing | None:
    """One message as it stands."""
    row = conn.execute(select(table).where(table.c.message_id == message_id)).first()
    return _read(row) if row is not None else None


def reserve(conn: Connection, seen: Outgoing, at: datetime, look_at: datetime) -> bool:
    """Take a new message for posting; who gets True may post it, and nobody else.

    Args:
        look_at: when it is to be looked up, if nobody says what became of it.
    """
    values = {"state": OutState.POSTING.value, "not_before": iso(look_at)}
    return _swap(conn, seen, OutState.NEW, at, values)


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
    message_id: str,
    state: OutState,
    at: datetime,
    until: datetime | None,
    note: str,
) -> None:
    """It did not work: `state` from now on, and not before `until`."""
    values = {
        "state": state.value, "attempts": table.c.attempts + 1, "note": cut(note, _NOTE),
        "not_before": iso(until) if until else None, "updated_at": iso(at),
    }  # fmt: skip
    # What stands in Slack stands there, whatever a late call says of it.
    final = [OutState.FAILED] + [OutState.POSTED] * (state is not OutState.POSTED)
    here = (table.c.message_id == message_id, table.c.state.not_in(final))
    conn.execute(update(table).where(*here).values(values))


def adopt(conn: Connection, approval_id: str, channel: str, ts: str, at: datetime) -> None:
    """A card was clicked, so it stands there: nothing is to be looked up any more."""
    unsure = table.c.state.in_((OutState.NEW.value, OutState.POSTING.value))
    here = (table.c.message_id == card_id(approval_id), unsure)
    found = {"state": OutState.POSTED.value, "channel": channel, "ts": ts, "shown": ASKING}
    conn.execute(update(table).where(*here).values(found | {"updated_at": iso(at)}))


def depths(conn: Connection, now: datetime) -> dict[str, int]:
    """How many messages wait to be shown, and how many Slack would not take."""
    failed = table.c.state == OutState.FAILED.value
    counted = select(func.count()).select_from(table)
    return {
        "waiting": conn.execute(counted.where(_unfinished(now))).scalar_one(),
        "failed": conn.execute(counted.where(failed)).scalar_one(),
    }


_is_card = table.c.kind == "card"


def _asking(now: datetime) -> tuple[ColumnElement[bool], ...]:
    recent = table.c.created_at >= iso(now - _REMEMBERED)
    return (_is_card, table.c.wanted == ASKING, recent)


def _unfinished(now: datetime) -> ColumnElement[bool]:
    unposted = table.c.state.in_((OutState.NEW.value, OutState.POSTING.value))
    recent = table.c.created_at >= iso(now - _REMEMBERED)
    outdated = (table.c.state == OutState.POSTED.value) & (table.c.shown < table.c.wanted) & recent
    return or_(unposted, outdated)


def _row(message_id: str, kind: str, at: datetime) -> dict[str, Any]:
    empty = dict.fromkeys(column.name for column in table.columns)
    return empty | {
        "message_id": message_id, "kind": kind, "state": OutState.NEW.value, "wanted": ASKING,
        "shown": 0, "attempts": 0, "created_at": iso(at), "updated_at": iso(at),
    }  # fmt: skip


def _swap(
    conn: Connection, seen: Outgoing, state: OutState, at: datetime, values: dict[str, Any]
) -> bool:
    """Change it if it still stands as it was seen; the mark changes though the clock may not."""
    here = (
        table.c.message_id == seen.message_id,
        table.c.updated_at == seen.mark,
        table.c.state == state.value,
    )
    mark = iso(max(at, parse(seen.mark) + _TICK))
    return (
        conn.execute(update(table).where(*here).values(values | {"updated_at": mark})).rowcount == 1
    )


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
