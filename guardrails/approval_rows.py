"""Approvals in the database. Owns: asking for one, finding them, and following the record.

Every function works inside its caller's transaction. Refuses to end an approval twice: only a
waiting row changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, select, update

from guardrails.approval_model import Approval, ApprovalState
from guardrails.clock import iso
from guardrails.config.models import ApprovalRules
from guardrails.model import Verdict, digest
from guardrails.store import insert_if_absent
from guardrails.store.people_tables import approvals as table
from guardrails.store.tables import audit_index

_WAITING = table.c.state == ApprovalState.WAITING.value


@dataclass(frozen=True)
class Asked:
    """A draft that needs a person.

    Args:
        decision_audit_id: record of the review that found so.
        content_hash: of exactly what would go out.
        author: salted id of the person who wrote the text; None for the crafter.
        supersedes: approval whose text was edited into this one.
    """

    decision_audit_id: str
    lead_id: str
    run_id: str
    row: int
    verdict: Verdict
    segment: str
    tier: int | None
    content_hash: str
    author: str | None = None
    supersedes: str | None = None


def approval_id_of(decision_audit_id: str) -> str:
    """The same decision asks once, however often it is settled."""
    return f"AP-{digest(['approval', decision_audit_id])[:20]}"


def end_id(approval_id: str) -> str:
    """Decision id of the one record of how an approval ended."""
    return f"approval-end:{approval_id}"


def request(conn: Connection, asked: Asked, rules: ApprovalRules, at: datetime) -> str:
    """Ask for a person, once. Gives the approval's id."""
    values: dict[str, Any] = dict.fromkeys(column.name for column in table.columns)
    values |= {
        "approval_id": approval_id_of(asked.decision_audit_id),
        **vars(asked),
        "verdict": asked.verdict.value,
        "state": ApprovalState.WAITING.value,
        "first_of_segment": not _approved_before(conn, asked.segment),
        "requested_at": iso(at),
        "due_at": iso(at + timedelta(minutes=rules.sla_minutes(asked.tier))),
        "expires_at": iso(at + timedelta(hours=rules.expires_hours)),
        "updated_at": iso(at),
    }
    insert_if_absent(conn, table, values)
    return str(values["approval_id"])


def find(conn: Connection, approval_id: str) -> Approval | None:
    """One approval."""
    return _one(conn, table.c.approval_id == approval_id)


def of_decision(conn: Connection, decision_audit_id: str) -> Approval | None:
    """The approval that this decision asked for."""
    return _one(conn, table.c.decision_audit_id == decision_audit_id)


def in_hand(conn: Connection, lead_id: str) -> Approval | None:
    """The waiting approval of a lead, if there is one."""
    return _one(conn, _WAITING & (table.c.lead_id == lead_id))


def successor(conn: Connection, approval_id: str) -> Approval | None:
    """The approval of the text that took this one's place."""
    return _one(conn, table.c.supersedes == approval_id)


def listed(
    conn: Connection,
    state: ApprovalState | None,
    limit: int,
    *,
    lead_id: str | None = None,
    run_id: str | None = None,
    after: tuple[str, str] | None = None,
) -> list[Approval]:
    """Waiting ones by who is due first, others by the latest first.

    Args:
        after: when the last one seen is due, or has ended (UTC text), and its id.
    """
    statement = select(table).limit(limit)
    if run_id is not None:
        statement = statement.where(table.c.run_id == run_id)
    if state is not None:
        statement = statement.where(table.c.state == state.value)
    if lead_id is not None:
        statement = statement.where(table.c.lead_id == lead_id)
    by_due = state is ApprovalState.WAITING
    order = table.c.due_at if by_due else table.c.updated_at.desc()
    if after is not None:
        moment, last = after
        at = table.c.due_at if by_due else table.c.updated_at
        same = (at == moment) & (table.c.approval_id > last)
        statement = statement.where(same | (at > moment if by_due else at < moment))
    return [
        Approval.of(row) for row in conn.execute(statement.order_by(order, table.c.approval_id))
    ]


def count_waiting(conn: Connection, run_id: str | None = None) -> int:
    """How many wait for a person, of one run or of all."""
    statement = select(func.count()).select_from(table).where(_WAITING)
    if run_id is not None:
        statement = statement.where(table.c.run_id == run_id)
    counted: int = conn.execute(statement).scalar_one()
    return counted


def past(conn: Connection, now: datetime) -> list[Approval]:
    """Waiting ones that have expired."""
    return _all(conn, _WAITING & (table.c.expires_at <= iso(now)))


def to_remind(conn: Connection, now: datetime) -> list[Approval]:
    """Waiting beyond their time, and nobody was reminded."""
    return _all(conn, _WAITING & table.c.reminded_at.is_(None) & (table.c.due_at <= iso(now)))


def to_escalate(conn: Connection, now: datetime, after: timedelta) -> list[Approval]:
    """Reminded so long ago, and nobody else was asked."""
    late = table.c.reminded_at <= iso(now - after)
    return _all(conn, _WAITING & late & table.c.escalated_at.is_(None))


def stamp(conn: Connection, approval_id: str, column: str, at: datetime) -> bool:
    """Write `reminded_at` or `escalated_at`, once. Of concurrent callers one gets True."""
    here = (table.c.approval_id == approval_id) & table.c[column].is_(None) & _WAITING
    return conn.execute(update(table).where(here).values({column: iso(at)})).rowcount == 1


def ended_on_record(conn: Connection, limit: int) -> list[str]:
    """Waiting ones of which the audit knows already how they ended: a crash came in between."""
    recorded = audit_index.c.decision_id == "approval-end:" + table.c.approval_id
    statement = select(table.c.approval_id).where(_WAITING, exists().where(recorded)).limit(limit)
    return list(conn.execute(statement).scalars())


def end(conn: Connection, record: dict[str, Any], words: str | None) -> Approval | None:
    """Follow the record of an end. None when the row had ended before.

    Args:
        record: an audit record of kind `approval`.
        words: what the person said.
    """
    body = record["body"]
    here = (table.c.approval_id == body["approval_id"]) & _WAITING
    values = {
        "state": body["end"],
        "ended_at": body["ended_at"],
        "ended_by": body["by"],
        "ended_via": body["via"],
        "reason_code": body["reason_code"],
        "reason_text": words,
        "audit_id": record["audit_id"],
        "updated_at": body["ended_at"],
    }
    if conn.execute(update(table).where(here).values(values)).rowcount != 1:
        return None
    return find(conn, body["approval_id"])


def _approved_before(conn: Connection, segment: str) -> bool:
    yes = table.c.state == ApprovalState.APPROVED.value
    found = select(table.c.approval_id).where(table.c.segment == segment, yes).limit(1)
    return conn.execute(found).first() is not None


def _one(conn: Connection, where: ColumnElement[bool]) -> Approval | None:
    row = conn.execute(select(table).where(where).limit(1)).first()
    return Approval.of(row) if row is not None else None


def _all(conn: Connection, where: ColumnElement[bool]) -> list[Approval]:
    statement = select(table).where(where).order_by(table.c.due_at, table.c.approval_id)
    return [Approval.of(row) for row in conn.execute(statement)]
