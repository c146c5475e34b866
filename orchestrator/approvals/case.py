"""What a person decides about, read back from the record. Owns: the one view that card, console and
command line share.

Everything shown is what the decision was made from, by the digest on its audit record: nothing is
looked up anew, and nothing of it is believed that the record does not say.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from guardrails.approval_model import Approval
from guardrails.audit import AuditLog
from guardrails.clock import parse
from guardrails.errors import NotFound
from guardrails.model import BankAnswer, Check, Claim, Dossier, Draft, Qualification, Verdict
from guardrails.schedule import window_zones
from guardrails.store import Store
from guardrails.store.tables import run_items
from orchestrator.letters import recorded

_COST = select(run_items.c.result)


@dataclass(frozen=True)
class ApprovalCase:
    """One approval with all that a person needs to decide.

    Args:
        cost_micros: what enriching this lead cost.
        local_send_time: when it could go out at the earliest, by the recipient's clock.
    """

    approval: Approval
    to: str
    dossier: Dossier
    draft: Draft
    qualification: Qualification | None
    bank: BankAnswer | None
    checks: tuple[Check, ...]
    would_send_at: datetime | None
    local_send_time: datetime | None
    cost_micros: int
    policy_version: str
    sandbox: bool

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What the text claims, and on what evidence."""
        return self.draft.claims

    @property
    def review_reasons(self) -> tuple[Check, ...]:
        """Why a person must look at it by itself."""
        return tuple(check for check in self.checks if check.verdict is Verdict.REVIEW)


class Cases:
    """Reads cases. Safe to share between threads."""

    def __init__(self, audit: AuditLog, store: Store) -> None:
        self._audit = audit
        self._store = store

    async def of(self, approval: Approval) -> ApprovalCase:
        """The case of an approval.

        Raises:
            NotFound: it is not on record, or was erased with the person's data.
            AuditBroken: what is stored is not what was recorded.
        """
        return await asyncio.to_thread(self._read, approval)

    def _read(self, approval: Approval) -> ApprovalCase:
        record, inputs, draft = recorded(self._audit, self._store, approval.decision_audit_id)
        body, to = record["body"], inputs.dossier.lead.email
        if to is None:
            raise NotFound(f"decision {approval.decision_audit_id} is about no address")
        with self._store.read() as conn:
            cost = _cost(conn, approval)
        send_at = parse(body["would_send_at"]) if body["would_send_at"] else None
        return ApprovalCase(
            approval=approval,
            to=to,
            dossier=inputs.dossier,
            draft=draft,
            qualification=inputs.qualification,
            bank=BankAnswer.model_validate(body["bank"]) if body["bank"] else None,
            checks=tuple(Check.model_validate(check) for check in body["checks"]),
            would_send_at=send_at,
            local_send_time=_local(send_at, inputs.dossier),
            cost_micros=cost,
            policy_version=body["policy_version"],
            sandbox=body["sandbox"],
        )


def _cost(conn: Connection, approval: Approval) -> int:
    where = (run_items.c.run_id == approval.run_id, run_items.c.row == approval.row)
    text = conn.execute(_COST.where(*where)).scalar_one_or_none()
    return int(json.loads(text).get("cost_micros", 0)) if text else 0


def _local(moment: datetime | None, dossier: Dossier) -> datetime | None:
    """`moment` by the recipient's clock; of several that it can be, the first."""
    if moment is None:
        return None
    zones = window_zones(dossier.lead, dossier.facts, moment)
    return moment.astimezone(zones[0]) if zones else moment
