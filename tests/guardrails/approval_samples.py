"""A draft that waits for a person, over a real gate, audit and store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from guardrails import approval_rows as rows
from guardrails.approval_model import Approval
from guardrails.approvals import Approvals
from guardrails.approvers import Approver, ApproverList
from guardrails.clock import iso
from guardrails.config.models import Approvers
from guardrails.hive import Hive
from guardrails.model import Decision, Mode
from tests.guardrails.authorize_samples import Desk, in_mode

SLACK = ("U0ADA00", "U0BEN00", "U0CYD00")
RULES = in_mode(Mode.ASSISTED).production.approvals


def people(salt: bytes) -> ApproverList:
    """Three on the list: two approvers, one for escalations."""
    return ApproverList.of(Approvers.model_validate(_CONFIGURED), SLACK, salt)


_CONFIGURED: dict[str, Any] = {
    "schema_version": 1,
    "approvers": [
        {"name": "Ada", "role": "approver"},
        {"name": "Ben", "role": "approver"},
        {"name": "Cyd", "role": "escalation"},
    ],
}


class Assisted(Desk):
    """A desk at which these three may approve."""

    def approvers_of(self, hive: Hive) -> ApproverList:
        return people(hive.salt())


@dataclass
class Waiting:
    """Approvals over a desk. `let_go` lists what was queued for delivery."""

    desk: Desk
    let_go: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.people = people(self.desk.hive.salt())
        self.approvals = self.another()

    def another(self) -> Approvals:
        """What a second process has."""
        desk = self.desk
        return Approvals(desk.store, desk.audit, desk.stop, self.people, desk.clock, self._queue)

    def who(self, name: str) -> Approver:
        found = self.people.by_name(name)
        assert found is not None
        return found

    async def asked(self, decision: Decision | None = None, **about: Any) -> Approval:
        """One that waits."""
        decision = decision or await self.desk.decided()
        assert decision.content_hash is not None
        asked = rows.Asked(
            **{
                "decision_audit_id": decision.audit_id,
                "lead_id": decision.lead_id,
                "run_id": decision.run_id,
                "row": 1,
                "verdict": decision.verdict,
                "segment": "agencies",
                "tier": 1,
                "content_hash": decision.content_hash,
                **about,
            }
        )
        now = self.desk.clock()
        made = await self.desk.store.run(lambda conn: rows.request(conn, asked, RULES, now))
        found = await self.approvals.get(made)
        assert found is not None
        return found

    def _queue(self, conn: Connection, approval: Approval, at: str) -> None:
        assert at == iso(self.desk.clock())
        self.let_go.append(approval.approval_id)
