"""The nouns of approving. Owns: states, ways, answers, and how a row reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, get_args

from guardrails.bank.models import ReasonCode
from guardrails.clock import parse
from guardrails.model import Verdict

Via = Literal["slack", "cli", "console", "mcp", "swarm"]
REASON_CODES: tuple[str, ...] = get_args(ReasonCode)
SWARM = "swarm"  # who ends an approval when no person does


class ApprovalState(StrEnum):
    """Where a draft that needs a person stands. Only `waiting` can change."""

    WAITING = "waiting"
    APPROVED = "approved"  # a person said yes: it is on its way
    REJECTED = "rejected"  # a person said no: the bank learns from it
    EXPIRED = "expired"  # nobody said anything: not sent
    SUPERSEDED = "superseded"  # its text was edited; the new one waits for itself
    WITHDRAWN = "withdrawn"  # nobody need decide any more: opted out, replied, run given up


class AnswerKind(StrEnum):
    """What became of a person's word."""

    DONE = "done"
    ALREADY = "already"  # somebody was first; their word stands
    EXPIRED = "expired"  # too late: not sent
    NOT_PERMITTED = "not_permitted"
    CONTENT_CHANGED = "content_changed"  # what was clicked is not what waits
    NOT_FOUND = "not_found"


@dataclass(frozen=True)
class Approval:
    """One row of `approvals`. `content_hash`: of recipient, sender, subject and body."""

    approval_id: str
    decision_audit_id: str
    lead_id: str
    run_id: str
    row: int
    state: ApprovalState
    verdict: Verdict
    segment: str
    first_of_segment: bool
    tier: int | None
    content_hash: str
    author: str | None
    supersedes: str | None
    requested_at: datetime
    due_at: datetime
    expires_at: datetime
    reminded_at: datetime | None
    escalated_at: datetime | None
    ended_at: datetime | None
    ended_by: str | None
    ended_via: str | None
    reason_code: str | None
    reason_text: str | None
    audit_id: str | None

    @classmethod
    def of(cls, row: Any) -> Approval:
        """From a database row."""
        fields = {name: getattr(row, name) for name in cls.__dataclass_fields__}
        times = {name: parse(at) for name, at in fields.items() if name.endswith("_at") and at}
        fields |= times
        fields["state"] = ApprovalState(fields["state"])
        fields["verdict"] = Verdict(fields["verdict"])
        fields["first_of_segment"] = bool(fields["first_of_segment"])
        return cls(**fields)

    @property
    def alone(self) -> bool:
        """Whether a person must look at it by itself: never part of a bulk approval."""
        return self.first_of_segment or self.verdict is Verdict.REVIEW


@dataclass(frozen=True)
class Answer:
    """What a person is told. `approval` as it stands now; None when there is none."""

    kind: AnswerKind
    text: str
    approval: Approval | None = None
