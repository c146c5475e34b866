"""How a row of a run ends. Owns: all that one decision writes down, in its one transaction (P7).

The first settlement wins, so that a replayed step, or a queen that wakes up late, changes nothing.
"""

from __future__ import annotations

import json
from datetime import datetime

import orjson
from sqlalchemy import Connection, update

from guardrails.approval_rows import request
from guardrails.clock import iso
from guardrails.config.models import ApprovalRules
from guardrails.model import LeadState
from guardrails.remembering import Fact, remember
from guardrails.store import insert_if_absent
from guardrails.store.tables import run_items, shadow_emails
from orchestrator.deliveries import queue
from orchestrator.run_records import Settled, asked_of, remembered


def settle(
    conn: Connection, run_id: str, settled: Settled, approvals: ApprovalRules, at: datetime
) -> bool:
    """End a row, once, inside the caller's transaction. False when it had ended before.

    A decision `ready` is queued for delivery here, and one that only a person can let go asks for
    that person.
    """
    if not _ended(conn, run_id, settled, iso(at)):
        return False
    decision = settled.decision
    fact = remembered(run_id, settled)
    remember(conn, Fact.LEAD, decision.audit_id, iso(at), fact, decision.lead_id)
    if settled.email is not None:
        values = {
            "run_id": run_id,
            "row": settled.row,
            "email_id": settled.email["email_id"],
            "lead_id": decision.lead_id,
            "document": orjson.dumps(settled.email, option=orjson.OPT_INDENT_2).decode(),
        }
        insert_if_absent(conn, shadow_emails, values)
    if decision.state is LeadState.READY:
        queue(conn, decision.audit_id, decision.lead_id, run_id, settled.row, iso(at))
    elif (asked := asked_of(run_id, settled)) is not None:
        request(conn, asked, approvals, at)
    return True


def _ended(conn: Connection, run_id: str, settled: Settled, at: str) -> bool:
    decision = settled.decision
    result = {
        "reasons": [reason.model_dump(mode="json") for reason in decision.reasons],
        "score": decision.qualification.score if decision.qualification else None,
        "tier": decision.qualification.tier if decision.qualification else None,
        "cost_micros": settled.cost_micros,
    }
    ended = (
        update(run_items)
        .where(
            run_items.c.run_id == run_id,
            run_items.c.row == settled.row,
            run_items.c.state.is_(None),
        )
        .values(
            state=decision.state.value,
            result=json.dumps(result),
            audit_id=decision.audit_id,
            updated_at=at,
        )
    )
    return conn.execute(ended).rowcount == 1
