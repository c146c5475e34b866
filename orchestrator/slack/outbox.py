"""Messages on their way to Slack, in the database. Owns: each once, and what it should show.

A message is reserved here (`posting`) before it is posted; only what is reserved is posted, and
what is found reserved after a crash or a doubt is looked up in Slack first. Cards follow
`approvals`; notices are queued in the transaction that makes them. Refuses to forget: what Slack
would not take stays as `failed`, with its reason.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, func, select, update

from guardrails.approval_model import ApprovalState
from guardrails.clock import iso
from guardrails.store import insert_if_absent
from guardrails.store.people_tables import approvals
from guardrails.store.people_tables import slack_messages as table
from orchestrator.slack.outgoing import (
    ASKING,
    ENDED,
    REMEMBERED,
    OutState,
    asking,
    is_card,
    refused,
    unfinished,
)
from orchestrator.slack.words import safe_lines


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
    said = safe_lines(text)
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
    carded = exists().where(table.c.approval_id == approvals.c.approval_id, is_card)
    bare = select(approvals.c.approval_id).where(waiting, ~carded).order_by(approvals.c.due_at)
    changed = 0
    for approval_id in list(conn.execute(bare.limit(limit)).scalars()):
        row = _row(card_id(approval_id), "card", at) | {"approval_id": approval_id}
        changed += insert_if_absent(conn, table, row)
    here = approvals.c.approval_id == table.c.approval_id
    stale = (*asking(at), exists().where(here, ~waiting))
    ended = {"wanted": ENDED, "not_before": None, "updated_at": iso(at)}
    return changed + conn.execute(update(table).where(*stale).values(ended)).rowcount


def behind(conn: Connection, now: datetime) -> bool:
    """Whether `catch_up` has anything to do; a cheap question."""
    waiting = approvals.c.state == ApprovalState.WAITING.value
    carded = exists().where(table.c.approval_id == approvals.c.approval_id, is_card)
    if conn.execute(select(approvals.c.approval_id).where(waiting, ~carded).limit(1)).first():
        return True
    ended = exists().where(approvals.c.approval_id == table.c.approval_id, ~waiting)
    stale = select(table.c.message_id).where(*asking(now), ended)
    return conn.execute(stale.limit(1)).first() is not None


def adopt(conn: Connection, approval_id: str, channel: str, ts: str, at: datetime) -> None:
    """A card was clicked, so it stands there: nothing is to be looked up any more."""
    unsure = table.c.state.in_((OutState.NEW.value, OutState.POSTING.value))
    here = (table.c.message_id == card_id(approval_id), unsure)
    found = {"state": OutState.POSTED.value, "channel": channel, "ts": ts, "shown": ASKING}
    conn.execute(update(table).where(*here).values(found | {"updated_at": iso(at)}))


def show_again(conn: Connection, lead_id: str, at: datetime) -> int:
    """Have everything about a lead that is not older than 30 days shown anew.

    For an erasure: a card whose record is gone says nothing of whom it was about. Gives how many.
    """
    theirs = select(approvals.c.approval_id).where(approvals.c.lead_id == lead_id)
    here = (
        table.c.approval_id.in_(theirs),
        table.c.state == OutState.POSTED.value,
        table.c.created_at >= iso(at - REMEMBERED),
    )
    anew = {"wanted": table.c.wanted + 1, "not_before": None, "updated_at": iso(at)}
    return conn.execute(update(table).where(*here).values(anew)).rowcount


def depths(conn: Connection, now: datetime) -> dict[str, int]:
    """How many messages wait to be shown, and how many Slack would not take."""
    counted = select(func.count()).select_from(table)
    return {
        "waiting": conn.execute(counted.where(unfinished(now))).scalar_one(),
        "failed": conn.execute(counted.where(refused(now))).scalar_one(),
    }


def _row(message_id: str, kind: str, at: datetime) -> dict[str, Any]:
    empty = dict.fromkeys(column.name for column in table.columns)
    return empty | {
        "message_id": message_id, "kind": kind, "state": OutState.NEW.value, "wanted": ASKING,
        "shown": 0, "attempts": 0, "created_at": iso(at), "updated_at": iso(at),
    }  # fmt: skip
