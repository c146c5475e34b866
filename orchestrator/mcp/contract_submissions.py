"""The orchestrator: leads that a client hands in, and following them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from guardrails.approval_model import ApprovalState
from guardrails.model import LeadState, Mode
from orchestrator.delivery_rows import DeliveryState
from orchestrator.submission_rows import MAX_ROWS, Stage
from servers.common.contract import Args, Result, ToolSpec

Cell = Annotated[str, StringConstraints(max_length=500)]
SubmissionId = Annotated[
    str,
    Field(pattern=r"^S-[0-9a-f]{16}$", description="As submit_leads gave it."),
]


class LeadRow(BaseModel):
    """One person. What is unknown is left out; the swarm looks it up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    email: Cell = Field(default="", description="Work e-mail address.")
    first_name: Cell = Field(default="", description="Given name.")
    last_name: Cell = Field(default="", description="Family name.")
    title: Cell = Field(default="", description="Job title.")
    company: Cell = Field(default="", description="Company name.")
    domain: Cell = Field(default="", description="Company's web domain.")
    linkedin: Cell = Field(default="", description="The person's LinkedIn profile URL.")
    country: Cell = Field(default="", description="Country of the person.")
    state: Cell = Field(default="", description="State or province.")
    city: Cell = Field(default="", description="City.")
    industry: Cell = Field(default="", description="Industry of the company.")
    employees: Cell = Field(default="", description="Employees: a number or a range.")
    do_not_contact: bool = Field(
        default=False, description="True when the person wants no e-mail: it is honoured for good."
    )


class SubmitLeads(Args):
    """Leads to be decided about. Give either `rows` or `csv_text`."""

    rows: tuple[LeadRow, ...] = Field(
        default=(), max_length=MAX_ROWS, description=f"At most {MAX_ROWS} people."
    )
    csv_text: str | None = Field(
        default=None,
        min_length=1,
        description="A CSV with a header line, as HubSpot, Apollo, Clay or a spreadsheet writes "
        f"it: at most 1 MB and {MAX_ROWS} rows.",
    )
    key: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Your own id for this submission: the same key again changes nothing. Without "
        "it the rows themselves are the key, so that the same rows are taken once.",
    )


class Submitted(Result):
    """Where the submission stands."""

    submission_id: str = Field(description="For follow_submission and cancel_submission.")
    new: bool = Field(description="False: it was handed in before, and nothing was changed.")
    stage: Stage
    queen: str = Field(description="running, or what is wrong: then nobody takes it up yet.")
    next_step: str = Field(description="What to do now.")


class FollowSubmission(Args):
    """Which submission, and which page of its leads."""

    submission_id: SubmissionId
    cursor: str | None = Field(
        default=None,
        max_length=100,
        description="`next_cursor` of the previous page; absent for the first.",
    )
    limit: int = Field(default=100, ge=1, le=500, description="Leads per page.")


class LeadLine(Result):
    """One lead: how far it has got, and why."""

    row: int = Field(description="1-based row of what was handed in.")
    lead_id: str = Field(description="For explain_decision.")
    decision: LeadState | None = Field(description="Null while it is being decided.")
    delivery: DeliveryState | None = Field(description="Null unless it was let go.")
    approval: ApprovalState | None = Field(description="What a person has said, or that it waits.")
    approval_id: str | None = Field(description="For show_approval.")
    reason: str | None = Field(description="First reason: its code and one sentence.")
    field: str | None = Field(description="The field at fault, when there is one.")
    remedy: str | None = Field(description="What would change the answer.")
    audit_id: str | None = Field(description="The record that says why.")


class SubmissionProgress(Result):
    """One look at a submission."""

    submission_id: str
    stage: Stage
    received_at: datetime
    note: str | None = Field(description="What became of it before there was a run.")
    mode: Mode | None = Field(description="In which it is worked off; in shadow nothing is sent.")
    total: int = Field(description="Rows, set-aside ones included.")
    counts: dict[str, int] = Field(
        description="Leads by how far they have got: `preparing`, else the delivery, else how the "
        "approval ended, else the decision; `delivery_deferred` is one that goes out later."
    )
    leads: tuple[LeadLine, ...]
    next_cursor: str | None
    queen: str = Field(description="running, or what is wrong.")


class CancelSubmission(Args):
    """Which submission."""

    submission_id: SubmissionId


class SubmissionCancelled(Result):
    """What could be withdrawn, and what could not."""

    submission_id: str
    stage: Stage
    undecided: int = Field(description="Leads that nobody had decided about: withdrawn now.")
    approvals: int = Field(description="Approvals that waited for a person: withdrawn now.")
    unsent: int = Field(description="E-mails on their way that had not gone out: withdrawn.")
    sent: int = Field(description="E-mails that are out: they stay out.")
    unknown: int = Field(
        description="E-mails that may be out, or go out at this moment: follow_submission tells."
    )


SUBMIT_LEADS = ToolSpec(
    "submit_leads",
    "Submit leads",
    "Hand in people for the swarm to research, qualify and write to, in the configured mode "
    "(get_status tells it; in shadow nothing is ever sent). Returns at once with a submission_id; "
    "the running queen takes it up, and follow_submission tells how each lead fares. Rows that "
    "cannot be used are named there with field and remedy. The same key, or the same rows, are "
    "taken once; people who are in hand already are not decided about twice.",
    SubmitLeads,
    Submitted,
    read_only=False,
)
FOLLOW_SUBMISSION = ToolSpec(
    "follow_submission",
    "Follow a submission",
    "How far a submission has got: counts by state, and one line for each lead with the first "
    "reason and the audit_id. Ask again every few seconds while its stage is waiting or working; "
    "a lead takes about a minute. For the whole why of one lead use explain_decision.",
    FollowSubmission,
    SubmissionProgress,
    outside="what reasons quote of the leads",
)
CANCEL_SUBMISSION = ToolSpec(
    "cancel_submission",
    "Cancel a submission",
    "Withdraw what was not sent of a submission: leads nobody has decided about, drafts that wait "
    "for a person, e-mails that have not gone out. What is sent stays sent and is counted. Cannot "
    "be taken back; submit_leads with another key begins anew. To stop everything use stop_swarm.",
    CancelSubmission,
    SubmissionCancelled,
    read_only=False,
    destructive=True,
)
