"""What stands in the tables `runs` and `run_items`. Owns: the form of a run and of its rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from guardrails.approval_rows import Asked
from guardrails.clock import iso
from guardrails.model import Decision, Lead, LeadState, Mode, Reason


@dataclass(frozen=True)
class Run:
    """One run as it stands in the database."""

    run_id: str
    mode: Mode
    sandbox: bool
    source: str
    status: str
    total: int | None
    created_at: str
    resumed: bool = False


@dataclass(frozen=True)
class Rejected:
    """A row that never became a lead, already on the audit record."""

    row: int
    lead_id: str
    state: LeadState
    reasons: tuple[Reason, ...]
    audit_id: str


@dataclass(frozen=True)
class Mark:
    """What other rows of the same person say, for the lead that stands for them."""

    row: int
    opted_out: bool = False
    customer: bool = False
    bounced: bool = False
    last_contacted_at: datetime | None = None

    def on(self, lead: Lead) -> Lead:
        """The lead with it: it only adds, in whatever order marks come."""
        contacts = (lead.last_contacted_at, self.last_contacted_at)
        return lead.model_copy(
            update={
                "opted_out": lead.opted_out or self.opted_out,
                "customer": lead.customer or self.customer,
                "bounced": lead.bounced or self.bounced,
                "last_contacted_at": max(filter(None, contacts), default=None),
            }
        )


@dataclass(frozen=True)
class Settled:
    """How a row ended: the decision and, when a draft was written, its shadow-log document."""

    row: int
    decision: Decision
    email: dict[str, Any] | None
    cost_micros: int


def asked_of(run_id: str, settled: Settled) -> Asked | None:
    """The person that this decision needs; None when it needs none, or nothing could go out."""
    decision = settled.decision
    needs = decision.state in {LeadState.AWAITING_APPROVAL, LeadState.REVIEW}
    if not needs or decision.mode is Mode.SHADOW or decision.content_hash is None:
        return None
    found = decision.qualification
    return Asked(
        decision_audit_id=decision.audit_id,
        lead_id=decision.lead_id,
        run_id=run_id,
        row=settled.row,
        verdict=decision.verdict,
        segment=found.segment if found else "",
        tier=found.tier if found else None,
        content_hash=decision.content_hash,
    )


def remembered(run_id: str, settled: Settled) -> dict[str, Any]:
    """The row as the long-term memory keeps it: nothing in it names anybody."""
    decision, found = settled.decision, settled.decision.qualification
    return {
        "audit_id": decision.audit_id,
        "lead_id": decision.lead_id,
        "run_id": run_id,
        "row": settled.row,
        "at": iso(decision.decided_at),
        "state": decision.state.value,
        "reasons": [reason.code for reason in decision.reasons],
        "mode": decision.mode.value,
        "score": found.score if found else None,
        "tier": found.tier if found else None,
        "segment": found.segment if found else None,
        "persona": found.persona if found else None,
        "cost_micros": settled.cost_micros,
    }


def run_of(row: Any, *, resumed: bool = False) -> Run:
    return Run(
        run_id=row.run_id,
        mode=Mode(row.mode),
        sandbox=bool(row.sandbox),
        source=row.source,
        status=row.status,
        total=row.total,
        created_at=row.created_at,
        resumed=resumed,
    )


def lead_row(run_id: str, lead: Lead, now: str) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "row": lead.row,
        "lead_id": lead.lead_id,
        "state": None,
        "lead": lead.model_dump_json(exclude_defaults=True),
        "result": None,
        "audit_id": None,
        "updated_at": now,
    }


def rejected_row(run_id: str, reject: Rejected, now: str) -> dict[str, Any]:
    result = {
        "reasons": [reason.model_dump(mode="json") for reason in reject.reasons],
        "score": None,
        "tier": None,
        "cost_micros": 0,
    }
    return {
        "run_id": run_id,
        "row": reject.row,
        "lead_id": reject.lead_id,
        "state": reject.state.value,
        "lead": None,
        "result": json.dumps(result),
        "audit_id": reject.audit_id,
        "updated_at": now,
    }
