"""What was decided to be written, read back from the record. Owns: a letter's words and its key.

Nothing of a letter is made here: recipient, sender, subject and body are those that the decision
was about, by the digest on the audit record. Refuses what is not on record, or was erased.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from guardrails.audit import AuditLog
from guardrails.documents import load
from guardrails.errors import NotFound, Refused
from guardrails.model import Dossier, Draft, Qualification
from guardrails.policy import GateInputs
from guardrails.store import Store
from orchestrator.deliver_writes import Whose
from orchestrator.deliveries import Delivery


@dataclass(frozen=True)
class Letter:
    """What was decided to be written, to whom."""

    delivery_id: str
    run_id: str
    dossier: Dossier
    draft: Draft
    qualification: Qualification | None

    @property
    def key(self) -> str:
        """Its row in the ledger, for ever."""
        return f"send:{self.delivery_id}"

    @property
    def to(self) -> str:
        """The recipient. Raises Refused when there is none."""
        email = self.dossier.lead.email
        if email is None:
            raise Refused("a decision to write, and no address to write to")
        return email

    @property
    def whose(self) -> Whose:
        """For the record."""
        return Whose(self.dossier.lead.lead_id, self.run_id, self.delivery_id)


class Letters:
    """What was decided to be written, read back from the record. Safe to share between threads."""

    def __init__(self, audit: AuditLog, store: Store) -> None:
        self._audit = audit
        self._store = store

    async def of(self, delivery: Delivery) -> Letter:
        """The letter of a delivery.

        Raises:
            NotFound: it is not on record, or was erased with the person's data.
            AuditBroken: what is stored is not what was recorded.
        """
        return await asyncio.to_thread(self._read, delivery)

    def _read(self, delivery: Delivery) -> Letter:
        _record, inputs, draft = recorded(self._audit, self._store, delivery.delivery_id)
        return Letter(
            delivery_id=delivery.delivery_id,
            run_id=delivery.run_id,
            dossier=inputs.dossier,
            draft=draft,
            qualification=inputs.qualification,
        )


def recorded(
    audit: AuditLog, store: Store, decision_audit_id: str
) -> tuple[dict[str, Any], GateInputs, Draft]:
    """A decision about a draft: its record, what it was made from, and the draft.

    Raises:
        NotFound: it is not on record, about no draft, or erased with the person's data.
        AuditBroken: what is stored is not what was recorded.
    """
    record = audit.find(decision_audit_id)
    if record is None:
        raise NotFound(f"decision {decision_audit_id} is not on record")
    inputs = load(store, record["body"]["inputs_digest"], GateInputs)
    if inputs.draft is None:
        raise NotFound(f"decision {decision_audit_id} is about no draft")
    return record, inputs, inputs.draft
