"""How a row of a run ends. Owns: all that one decision writes down, in its one transaction (P7).

The first settlement wins, so that a replayed step, or a queen that wakes up late, changes nothing.
"""

from __future__ import annotations

import json
from datetime import datetime

import orjson
from sqlalchemy import Connection, select, update

from guardrails.approval_rows import request
from guardrails.clock import iso
from guardrails.config.models import ApprovalRules
from guardrails.model import LeadState
from guardrails.remembering import Fact, remember
from guardrails.store import insert_if_absent
from guardrails.store.tables import run_items, runs, shadow_emails
from orchestrator.deliveries import queue
from orchestrator.fleet.free_rows import of_people
from orchestrator.run_records import Settled, asked_of, remembered


def settle(
    conn: Connection, run_id: str, settled: Settled, approvals: ApprovalRules, at: datetime
) -> bool:
    """End a row, once, inside the caller's transaction. False when it had ended before.

    A decision `ready` is queued for delivery here, and one that only a person can let go asks for
    that person. Of a run that --fresh gave up nothing goes out any more: such a row stays as it is.
    """
    decision, asked = settled.decision, asked_of(run_id, settled)
    goes_out = decision.state is LeadState.READY or asked is not None
    if goes_out and _given_up(conn, run_id):
        return False
    if not _ended(conn, run_id, settled, iso(at)):
        return False
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
    elif asked is not None:
        request(conn, asked, approvals, at)
    return True


def _given_up(conn: Connection, run_id: str) -> bool:
    """Whether that file's run was given up, which another machine can do while we decide. Until the
    commit it is not: whoever gives it up then finds what we have queued.
    """
    run = select(runs.c.status).where(runs.c.run_id == run_id, ~of_people())
    found = conn.execute(run.with_for_update(read=True)).scalar_one_or_none()
    return found == "abandoned"


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
