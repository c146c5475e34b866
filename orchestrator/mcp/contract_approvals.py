"""The orchestrator: what waits for a person, and asking them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from guardrails.approval_model import ApprovalState
from guardrails.model import BankAnswer, Claim, Verdict
from servers.common.contract import Args, Result, ToolSpec

ApprovalId = Annotated[
    str, Field(pattern=r"^AP-[0-9a-f]{20}$", description="As list_approvals shows it.")
]


class ListApprovals(Args):
    """Which ones, and which page."""

    state: ApprovalState = Field(
        default=ApprovalState.WAITING, description="waiting, or how they ended."
    )
    cursor: str | None = Field(
        default=None,
        max_length=100,
        description="`next_cursor` of the previous page; absent for the first.",
    )
    limit: int = Field(default=50, ge=1, le=200, description="Approvals per page.")


class ApprovalLine(Result):
    """One approval; names nobody."""

    approval_id: str
    lead_id: str
    state: ApprovalState
    tier: int | None
    segment: str
    look_alone: bool = Field(description="First of its segment, or marked for review.")
    due_at: datetime
    overdue: bool
    ended_at: datetime | None
    reason_code: str | None = Field(description="Of a rejection or a withdrawal.")
    decision_audit_id: str = Field(description="The decision it is about, for explain_decision.")


class ApprovalPage(Result):
    """One page: waiting ones by who is due first, others by the latest first."""

    approvals: tuple[ApprovalLine, ...]
    next_cursor: str | None


class ShowApproval(Args):
    """Which one."""

    approval_id: ApprovalId


class CheckLine(Result):
    """One check that did not simply pass."""

    rule: str
    verdict: Verdict
    text: str


class ApprovalShown(Result):
    """All that a person needs to decide."""

    approval: ApprovalLine
    to: str = Field(description="Recipient.")
    sender: str
    subject: str
    body: str
    claims: tuple[Claim, ...] = Field(description="What the text claims, and on what evidence.")
    checks: tuple[CheckLine, ...] = Field(description="Checks that did not pass.")
    checks_passed: int
    bank: BankAnswer | None
    score: int | None
    would_send_at: datetime | None
    content_hash: str = Field(description="Of recipient, sender, subject and body.")
    sandbox: bool


class AskApprover(Args):
    """Which one. The decision is the person's answer to the question, never an argument."""

    approval_id: ApprovalId


class ApproverAnswered(Result):
    """What came of the question."""

    approval_id: str
    outcome: Literal[
        "approved",  # the person said yes, and it counts
        "rejected",  # the person said no, and it counts
        "declined",  # nobody answered the question: nothing was changed
        "not_counted",  # they answered, and it does not count; `text` says why
    ]
    text: str
    audit_id: str | None = Field(description="Record of the person's word, when it counts.")


LIST_APPROVALS = ToolSpec(
    "list_approvals",
    "List approvals",
    "E-mails that wait for a person, who is due first on top; or, by `state`, how others ended. "
    "Names nobody and quotes nothing: show_approval has the text. Changes nothing.",
    ListApprovals,
    ApprovalPage,
)
SHOW_APPROVAL = ToolSpec(
    "show_approval",
    "Show an approval",
    "The case of one approval as a person needs it: the e-mail, its claims with their sources, "
    "what the checks and the reasoning bank say. Changes nothing. To have a person decide, use "
    "ask_approver.",
    ShowApproval,
    ApprovalShown,
    outside="recipient, e-mail text, claims and their sources, lessons that came from leads",
)
ASK_APPROVER = ToolSpec(
    "ask_approver",
    "Ask an approver",
    "Put one waiting e-mail before the person at this client and do what they answer: approve it "
    "or reject it with a reason. Needs a client that can ask its user (elicitation) and a person "
    "whom config/production.json allows to approve here. You cannot answer for them: no argument "
    "approves anything, and a declined question changes nothing.",
    AskApprover,
    ApproverAnswered,
    read_only=False,
    idempotent=False,
    destructive=True,
)
