"""What the gate says: checks, what the bank cited, the decision."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from guardrails.model.base import Frozen
from guardrails.model.dossier import Qualification
from guardrails.model.states import LeadState, Mode, Reason, Verdict


class Check(Frozen):
    """One rule's answer about one lead or draft."""

    rule: str = Field(description="Rule name, e.g. competitor, body_length, bank.")
    verdict: Verdict
    code: str = Field(description="Stable reason code; `ok` when it passed.")
    text: str = Field(description="The reason for a person.")
    would_pass_if: str | None = None


class BankCitation(Frozen):
    """One bank item that spoke, with the numbers behind what it said."""

    item_id: str
    kind: Literal["hard_rule", "learned_failure", "golden"]
    title: str
    level: str = Field(description="Back-off level: exact, segment_angle_persona, angle, global...")
    effect: Literal["block", "review", "cite", "success"]
    k: float = Field(description="Failures, decayed by age.")
    n: float = Field(description="Trials, decayed by age.")
    prior: str = Field(description="Prior as Beta(a, b).")
    posterior: str = Field(description="Posterior as Beta(a, b).")
    probability: float = Field(description="P(failure rate > theta*).")
    threshold: float
    trust: Literal["human", "system", "lead_derived"]
    evidence: tuple[str, ...] = Field(default=(), description="Event ids, newest first, at most 5.")
    reason: str = Field(description="What happened, in one sentence.")
    would_pass_if: str


class GoldenMatch(Frozen):
    """How the draft compares with the golden set's success patterns."""

    matched: bool
    item_id: str | None = None
    title: str | None = None
    similarity: float = Field(default=0.0, ge=0, le=1, description="Share of structure in common.")
    missing: tuple[str, ...] = Field(default=(), description="Structure the golden item has.")


class BankAnswer(Frozen):
    """Answer to: have we failed with this pattern before, and does it match a success?"""

    verdict: Verdict
    text: str
    citations: tuple[BankCitation, ...] = ()
    golden: GoldenMatch
    bank_version: str


class Decision(Frozen):
    """What the gate decided, and everything a person needs to see why."""

    decision_id: str
    lead_id: str
    run_id: str
    verdict: Verdict
    state: LeadState
    checks: tuple[Check, ...]
    reasons: tuple[Reason, ...] = Field(description="Non-passing checks, most severe first.")
    bank: BankAnswer | None = None
    qualification: Qualification | None = None
    mode: Mode
    sandbox: bool
    policy_version: str
    bank_version: str
    inputs_digest: str
    content_hash: str | None = None
    would_send_at: datetime | None = None
    decided_at: datetime
    audit_id: str
    audit_hash: str
