"""Guardrails: decides, and keeps the record. Bank, policy, golden set, audit; permits."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from guardrails.model import (
    BankAnswer,
    Decision,
    Dossier,
    Draft,
    LeadState,
    Mode,
    Qualification,
    Reason,
    Scope,
)
from servers.common.contract import Args, ResourceSpec, Result, ToolSpec
from servers.guardrails.contract_authorize import (
    AUTHORIZE_SEND,
    AUTHORIZE_WRITE,
    Authorization,
    AuthorizeSend,
    AuthorizeWrite,
    send_key,
)

SERVER = "guardrails"


class ReviewLead(Args):
    """A lead, with the draft that was written for it, or without one."""

    run_id: str = Field(description="The run this decision belongs to.", max_length=80)
    dossier: Dossier = Field(description="Everything known about the lead.")
    qualification: Qualification | None = Field(
        default=None, description="Absent when the lead was turned away before scoring."
    )
    draft: Draft | None = Field(default=None, description="Absent when none was written.")
    notes: tuple[Reason, ...] = Field(
        default=(), description="Why there is no draft, e.g. the crafter's reasons."
    )


class IntakeRow(Args):
    """A row that never became a lead."""

    row: int = Field(description="1-based data row.")
    lead_id: str = Field(max_length=80, description="Id that the hunter gave the row.")
    state: Literal["invalid", "duplicate"] = Field(description="As the hunter stated it.")
    reasons: tuple[Reason, ...] = Field(description="As the hunter stated them.")


class RecordIntake(Args):
    """Rejected rows of an import, to be put on record."""

    run_id: str = Field(description="The run that imported the rows.", max_length=80)
    rows: tuple[IntakeRow, ...] = Field(description="At most 1,000 rows.", max_length=1000)


class RecordedRow(Result):
    """Where a rejected row is on record."""

    row: int
    audit_id: str


class Recorded(Result):
    """One audit id per row."""

    rows: tuple[RecordedRow, ...]


class ConsultBank(Args):
    """A pattern to ask the bank about."""

    scope: Scope = Field(description="Segment, angle, persona, channel and step.")
    template_hash: str = Field(default="", description="Template hash, for exact matches.")
    lead_id: str = Field(default="", description="Lead id, for exact matches.")
    features: dict[str, str] = Field(
        default_factory=dict, description="Draft structure, as a draft's `features`."
    )


class BankConsulted(Result):
    """The bank's answer."""

    answer: BankAnswer


class ExplainDecision(Args):
    """Which decision."""

    id: str = Field(description="Audit id, decision id or lead id.", max_length=200)


class Explanation(Result):
    """A decision told from the audit record alone."""

    audit_id: str
    at: datetime
    kind: str
    lead_id: str | None
    run_id: str | None
    state: LeadState | None
    verdict: str | None
    text: str = Field(description="The decision as a person would want it told.")
    record: dict[str, Any] = Field(description="The audit record itself.")


class ReplayDecision(Args):
    """Which decision to derive again."""

    id: str = Field(description="Audit id, decision id or lead id.", max_length=200)


class Replay(Result):
    """The verdict derived again from the recorded inputs."""

    audit_id: str
    recorded: str
    replayed: str
    same: bool
    differences: tuple[str, ...] = ()


class GetStatus(Args):
    """No arguments."""


class Status(Result):
    """Whether decisions can be made at all, and under what."""

    mode: Mode
    sandbox: bool
    stopped: bool
    stop_reason: str | None
    policy_version: str
    bank_version: str
    bank_items: int
    audit_records: int
    audit_head: str | None
    deciding: bool = Field(description="False when anything needed to decide is unreadable.")
    problems: tuple[str, ...] = ()


REVIEW_LEAD = ToolSpec(
    "review_lead",
    "Review a lead and its draft",
    "Decide whether this draft may go to this lead: stop, who, consent, content, claims, bank, "
    "golden set. The decision is on the audit record before it is returned. Asking again for the "
    "same run, lead and draft returns the same decision. Nothing is sent, and no argument can "
    "make it pass. To look at a decision that was made, use explain_decision.",
    ReviewLead,
    Decision,
    read_only=False,
    outside="what reasons quote of the lead and its news",
)
RECORD_INTAKE = ToolSpec(
    "record_intake",
    "Record rejected rows",
    "Put rows that cannot be used (invalid, duplicate) on the audit record, once each: the "
    "`rejected` rows of hunter's import_leads. Leads go to review_lead instead.",
    RecordIntake,
    Recorded,
    read_only=False,
)
CONSULT_BANK = ToolSpec(
    "consult_bank",
    "Consult the reasoning bank",
    "Ask whether a pattern has failed before and whether it matches the golden set, with the "
    "numbers: k of n, prior, posterior, threshold, and what would change the answer. Decides and "
    "records nothing; review_lead asks the bank by itself.",
    ConsultBank,
    BankConsulted,
    outside="titles and reasons of lessons that came from leads",
)
EXPLAIN_DECISION = ToolSpec(
    "explain_decision",
    "Explain a decision",
    "Tell one recorded decision from the audit record: every check, the bank, what would change "
    "it. Of a lead id, the newest decision. Changes nothing.",
    ExplainDecision,
    Explanation,
    outside="what the record quotes of the lead and its news",
)
REPLAY_DECISION = ToolSpec(
    "replay_decision",
    "Replay a decision",
    "Derive the verdict again from the recorded inputs and say whether it is the same. For "
    "doubting a record, not for deciding anew (review_lead). Changes nothing.",
    ReplayDecision,
    Replay,
    outside="what differences quote of the lead",
)
GET_STATUS = ToolSpec(
    "get_status",
    "Guardrails status",
    "Mode, stop, policy and bank versions, audit head, and whether decisions can be made. Ask it "
    "first when everything is refused. Changes nothing.",
    GetStatus,
    Status,
)
TOOLS = (
    REVIEW_LEAD,
    RECORD_INTAKE,
    CONSULT_BANK,
    EXPLAIN_DECISION,
    REPLAY_DECISION,
    AUTHORIZE_SEND,
    AUTHORIZE_WRITE,
    GET_STATUS,
)
BANK_RESOURCE = ResourceSpec(
    "hive://reasoning-bank",
    "Reasoning bank",
    "The whole bank as JSON, while it has at most 4,000,000 characters.",
    outside="titles and reasons of lessons that came from leads",
    instead="consult_bank asks it about one pattern; `swarm bank show` shows it at a terminal.",
)
POLICY_RESOURCE = ResourceSpec("config://policy", "Policy", "The policy in force as JSON.")
__all__ = [
    "AUTHORIZE_SEND",
    "AUTHORIZE_WRITE",
    "BANK_RESOURCE",
    "CONSULT_BANK",
    "EXPLAIN_DECISION",
    "GET_STATUS",
    "POLICY_RESOURCE",
    "RECORD_INTAKE",
    "REPLAY_DECISION",
    "REVIEW_LEAD",
    "SERVER",
    "TOOLS",
    "Authorization",
    "AuthorizeSend",
    "AuthorizeWrite",
    "BankConsulted",
    "ConsultBank",
    "ExplainDecision",
    "Explanation",
    "GetStatus",
    "IntakeRow",
    "RecordIntake",
    "Recorded",
    "RecordedRow",
    "Replay",
    "ReplayDecision",
    "ReviewLead",
    "Status",
    "send_key",
]
