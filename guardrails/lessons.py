"""What the bank has to learn, on its way there. Owns: the queue of lessons, and folding it.

A lesson is written in the transaction that makes it and folded into the hive's bank afterwards, by
whoever is there: it is an event with an id, so that folding it twice, or a crash between folding
and saying so, changes nothing. Refuses to lose one: while the bank cannot be read they wait, and
whoever wanted them folded is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, bindparam, func, select, update

from guardrails.bank import Bank, Lesson
from guardrails.bank.bank import CLOCK_SKEW
from guardrails.bank.models import Outcome, ReasonCode, Trust
from guardrails.clock import Clock, iso
from guardrails.errors import BadInput
from guardrails.model import Scope
from guardrails.policy import GateInputs
from guardrails.store import Store, insert_if_absent
from guardrails.store.people_tables import lessons as table

BATCH = 500
_PENDING = (
    select(table.c.event_id, table.c.document)
    .where(table.c.folded_at.is_(None), table.c.event_id > bindparam("after"))
    .order_by(table.c.event_id)
    .limit(bindparam("limit"))
)
_FOLDED = (
    update(table)
    .where(table.c.event_id.in_(bindparam("ids", expanding=True)), table.c.folded_at.is_(None))
    .values(folded_at=bindparam("at"))
)


@dataclass(frozen=True)
class Happened:
    """What happened to an e-mail, and who says so.

    Args:
        event_id: names the event for ever; the same id is the same event.
        actor: a person's salted id or name, or the vendor.
        text: a person's words; nothing that a lead wrote (P9).
    """

    event_id: str
    outcome: Outcome
    at: datetime
    actor: str
    trust: Trust
    reason_code: ReasonCode | None = None
    text: str = ""


def lesson_of(record: Mapping[str, Any], inputs: GateInputs | None, what: Happened) -> Lesson:
    """What `what` teaches about the e-mail of a recorded decision.

    Args:
        record: the audit record of its review.
        inputs: what it was decided from; None when that was erased, which loses the structure.

    Raises:
        BadInput: the record is about no draft.
    """
    body = record["body"]
    if not body.get("scope"):
        raise BadInput(f"decision {record.get('audit_id')} is about no draft: nothing to learn")
    draft = inputs.draft if inputs is not None else None
    return Lesson(
        event_id=what.event_id,
        at=what.at,
        outcome=what.outcome,
        reason_code=what.reason_code,
        text=what.text,
        actor=what.actor,
        trust=what.trust,
        lead_id=record["lead_id"],
        scope=Scope.model_validate(body["scope"]),
        template_hash=body["template_hash"],
        content_hash=body["content_hash"],
        features=dict(draft.features) if draft is not None else {},
    )


def record_lesson(conn: Connection, lesson: Lesson, at: str) -> bool:
    """Queue a lesson, once for its event id, inside the caller's transaction; `at` is UTC text.

    Returns:
        Whether it is new.
    """
    values = {
        "event_id": lesson.event_id,
        "lead_id": lesson.lead_id,
        "document": lesson.model_dump_json(),
        "created_at": at,
        "folded_at": None,
    }
    return insert_if_absent(conn, table, values)


def pending_count(conn: Connection) -> int:
    """How many lessons are not in the bank yet."""
    waiting = select(func.count()).select_from(table).where(table.c.folded_at.is_(None))
    counted: int = conn.execute(waiting).scalar_one()
    return counted


def unreadable(conn: Connection) -> list[str]:
    """Event ids of lessons that wait and cannot be read: written by another version, or damaged."""
    waiting = select(table.c.event_id, table.c.document).where(table.c.folded_at.is_(None))
    return [row.event_id for row in conn.execute(waiting) if _read(row.document) is None]


async def fold_pending(store: Store, bank: Bank, clock: Clock) -> tuple[str, ...]:
    """Put what waits into the bank, many lessons in one write. Gives the event ids.

    Safe to call from several processes at once. A lesson dated in the future waits for its time,
    and one that cannot be read waits for a person; neither holds up the others.

    Raises:
        BankUnreadable: the bank is torn, missing or locked; the lessons go on waiting.
        StoreUnavailable: the database is; what was folded is folded again, to no effect.
    """
    done: list[str] = []
    after = ""
    while True:
        rows = await store.query(partial(_page, after))
        ready = _ready(rows, clock() + CLOCK_SKEW)
        if ready:
            await asyncio.to_thread(bank.learn, *ready)
            ids = [lesson.event_id for lesson in ready]
            await _mark(store, ids, iso(clock()))
            done += ids
        if len(rows) < BATCH:
            return tuple(done)
        after = rows[-1].event_id


def _page(after: str, conn: Connection) -> list[Any]:
    return [*conn.execute(_PENDING, {"after": after, "limit": BATCH})]


async def _mark(store: Store, ids: Sequence[str], at: str) -> None:
    await store.run(lambda conn: conn.execute(_FOLDED, {"ids": list(ids), "at": at}))


def _ready(rows: Sequence[Any], latest: datetime) -> list[Lesson]:
    read = (_read(row.document) for row in rows)
    return [lesson for lesson in read if lesson is not None and lesson.at <= latest]


def _read(document: str) -> Lesson | None:
    try:
        return Lesson.model_validate_json(document)
    except ValidationError:
        return None  # `unreadable` names it
