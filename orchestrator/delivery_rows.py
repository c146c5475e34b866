"""Rows of leads on their way out. Owns: their states, their form, and what changes them.

Every function works inside its caller's transaction, so that a delivery begins or ends together
with what causes it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from guardrails.approval_model import Approval
from guardrails.clock import iso, parse
from guardrails.model import Reason
from guardrails.remembering import Fact, remember, remembers
from guardrails.store import insert_if_absent
from guardrails.store.tables import runs
from guardrails.store.write_tables import deliveries as table


class DeliveryState(StrEnum):
    """Where a lead on its way out stands."""

    QUEUED = "queued"  # may be tried at once
    DEFERRED = "deferred"  # not before `not_before`
    SENT = "sent"  # the e-mail is out; with `not_before`, the CRM is still to be told
    REFUSED = "refused"  # what can have changed has changed: it must not go out
    FAILED = "failed"  # the vendor said no: it certainly did not go out
    UNKNOWN = "unknown"  # it may have gone out, and nobody can tell yet


@dataclass(frozen=True)
class Delivery:
    """One lead on its way out. `delivery_id` is the audit id of the decision that let it go."""

    delivery_id: str
    lead_id: str
    run_id: str
    row: int
    state: DeliveryState
    channel: str | None
    not_before: datetime | None
    reasons: tuple[Reason, ...]
    updated_at: str


@dataclass(frozen=True)
class Ended:
    """What an attempt came to."""

    state: DeliveryState
    reasons: tuple[Reason, ...] = ()
    not_before: datetime | None = None


def queue(conn: Connection, delivery_id: str, lead_id: str, run_id: str, row: int, at: str) -> None:
    """Queue a lead, once, inside the caller's transaction; `at` is UTC text."""
    values = {
        "delivery_id": delivery_id, "lead_id": lead_id, "run_id": run_id, "row": row,
        "state": DeliveryState.QUEUED.value, "channel": None, "not_before": None, "reasons": None,
        "created_at": at, "updated_at": at,
    }  # fmt: skip
    insert_if_absent(conn, table, values)


def queue_approved(conn: Connection, approval: Approval, at: str) -> None:
    """A person said yes: queue it, once, in the transaction that writes their word down.

    Who gives a run up withdraws what waits in it a moment later; a yes in between, or one that is
    found on record then, lets nothing go any more.
    """
    queue(
        conn,
        approval.decision_audit_id,
        approval.lead_id,
        approval.run_id,
        approval.row,
        at,
    )
    # Held until the commit: who gives the run up meanwhile finds what we have queued.
    run = select(runs.c.status).where(runs.c.run_id == approval.run_id).with_for_update(read=True)
    if conn.execute(run).scalar_one_or_none() == "abandoned":
        give_up(conn, [approval.run_id], at)


_GIVEN_UP = Reason(code="given_up", text="Its run was given up before it went out.")


def give_up(conn: Connection, run_ids: Sequence[str], at: str, reason: Reason = _GIVEN_UP) -> None:
    """End what waits in these runs: a fresh run decides about its leads anew, or nobody does."""
    conn.execute(
        update(table)
        .where(table.c.run_id.in_(list(run_ids)), table.c.state.in_(WAITING))
        .values(
            state=DeliveryState.REFUSED.value,
            not_before=None,
            reasons=written((reason,)),
            updated_at=at,
        )
    )


def ended_by_hand(conn: Connection, delivery_id: str, ended: Ended, at: str) -> None:
    """The same inside the caller's transaction, for a person's word; `at` is UTC text."""
    end(conn, delivery_id, ended, at)


def on_its_way(conn: Connection, lead_id: str) -> bool:
    """Whether an e-mail to this lead waits to go out, or may be going out."""
    found = select(table.c.delivery_id).where(table.c.lead_id == lead_id, unfinished())
    return conn.execute(found.limit(1)).first() is not None


def refuse_waiting(conn: Connection, lead_id: str, why: Reason, at: str) -> int:
    """End what waits for a lead: it must not go out any more. Gives how many it were."""
    waiting = (table.c.lead_id == lead_id, table.c.state.in_(WAITING))
    values = {
        "state": DeliveryState.REFUSED.value,
        "not_before": None,
        "reasons": written((why,)),
        "updated_at": at,
    }
    return conn.execute(update(table).where(*waiting).values(values)).rowcount


def rows_of(conn: Connection, run_id: str) -> list[Delivery]:
    """Every delivery of a run, by row."""
    statement = select(table).where(table.c.run_id == run_id).order_by(table.c.row)
    return [read(row) for row in conn.execute(statement)]


WAITING = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)


def due(now: str) -> ColumnElement[bool]:
    """Can be gone on with."""
    return or_(*ways_to_be_due(now))


def ways_to_be_due(now: str) -> tuple[ColumnElement[bool], ...]:
    """Each is found by an index of its own; SQLite would look through everything for all in one."""
    waiting = table.c.state.in_((*WAITING, DeliveryState.UNKNOWN.value))
    late = table.c.not_before <= now
    followed = table.c.state == DeliveryState.SENT.value
    return (
        and_(waiting, table.c.not_before.is_(None)),
        and_(waiting, late),
        and_(followed, late),
    )


def unfinished() -> ColumnElement[bool]:
    """Waits, is unknown, or has open follow-ups."""
    followed = and_(table.c.state == DeliveryState.SENT.value, table.c.not_before.is_not(None))
    waiting = table.c.state.in_((*WAITING, DeliveryState.UNKNOWN.value))
    return or_(waiting, followed)


def end(
    conn: Connection,
    delivery_id: str,
    ended: Ended,
    at: str,
    *conditions: ColumnElement[bool],
) -> None:
    values = {
        "state": ended.state.value,
        "reasons": written(ended.reasons),
        "not_before": iso(ended.not_before) if ended.not_before else None,
        "updated_at": at,
    }
    statement = update(table).where(table.c.delivery_id == delivery_id, *conditions)
    if ended.state is not DeliveryState.SENT:
        statement = statement.where(table.c.state != DeliveryState.SENT.value)
    if ended.state.value in WAITING:  # what was given up, or may have gone out, waits no more
        statement = statement.where(table.c.state.in_(WAITING))
    if ended.state is DeliveryState.SENT and remembers(conn):
        _remember_touch(conn, delivery_id, at)
    conn.execute(statement.values(values))


def _remember_touch(conn: Connection, delivery_id: str, at: str) -> None:
    """For the long-term memory, once: what the CRM is told afterwards is no further e-mail."""
    told = (table.c.lead_id, table.c.run_id, table.c.channel)
    unsaid = (table.c.delivery_id == delivery_id, table.c.state != DeliveryState.SENT.value)
    row = conn.execute(select(*told).where(*unsaid)).first()
    if row is None:
        return
    document = {
        "lead_id": row.lead_id, "run_id": row.run_id, "audit_id": delivery_id,
        "channel": row.channel, "at": at,
    }  # fmt: skip
    remember(conn, Fact.TOUCH, delivery_id, at, document, row.lead_id)


def written(reasons: Sequence[Reason]) -> str | None:
    if not reasons:
        return None
    return json.dumps([reason.model_dump(mode="json") for reason in reasons], ensure_ascii=False)


def read(row: Any) -> Delivery:
    reasons = json.loads(row.reasons) if row.reasons else []
    return Delivery(
        delivery_id=row.delivery_id,
        lead_id=row.lead_id,
        run_id=row.run_id,
        row=row.row,
        state=DeliveryState(row.state),
        channel=row.channel,
        not_before=parse(row.not_before) if row.not_before else None,
        reasons=tuple(Reason.model_validate(reason) for reason in reasons),
        updated_at=row.updated_at,
    )
