"""The orchestrator: how the swarm stands, why it decided so, what it learned, what fails."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from guardrails.model import BankAnswer, Scope
from servers.common.contract import Args, Result, ToolSpec

Word = Annotated[str, StringConstraints(min_length=1, max_length=120)]


class GetStatus(Args):
    """No arguments."""


class ModeNow(Result):
    """How much the swarm may do outside."""

    configured: str | None = Field(description="As config/production.json says; null: unreadable.")
    in_force: str | None = Field(description="Of the running queen; null when none runs.")
    notes: tuple[str, ...] = Field(description="Why a mode is lower than configured.")


class StopNow(Result):
    """The emergency stop."""

    stopped: bool | None = Field(description="Null: nobody can tell, which counts as stopped.")
    reason: str | None


class Brake(Result):
    """A circuit breaker that is not closed, or a pause."""

    what: str
    state: str
    since_or_until: datetime | None


class SpendLine(Result):
    """Money held against a cap, today."""

    scope: str
    held_usd: float
    cap_usd: float


class SwarmStatus(Result):
    """How the swarm stands. Null is what cannot be read: `unread` says why."""

    at: datetime
    sandbox: bool
    mode: ModeNow
    queen: str = Field(description="running, or what is wrong and what to do.")
    stop: StopNow
    brakes: tuple[Brake, ...] | None = Field(
        description="Empty: no vendor is cut off, nothing is paused."
    )
    approvals_waiting: int | None
    approvals_overdue: int | None
    next_approval_due: datetime | None
    inbox_waiting: int | None = Field(description="Deliveries that the queen has not taken up.")
    sent_today: int | None
    sends_of_unknown_fate: int | None
    spend: tuple[SpendLine, ...] | None
    needs_a_person: tuple[str, ...] = Field(description="What somebody should look at.")
    unread: dict[str, str] = Field(description="What could not be read, and why.")


class ExplainDecision(Args):
    """Which decision."""

    id: str = Field(
        min_length=1,
        max_length=320,
        description="Audit id, decision id, lead id, or the lead's e-mail address.",
    )


class DecisionExplained(Result):
    """A decision told from its audit record alone."""

    audit_id: str
    at: datetime
    kind: str
    lead_id: str | None
    run_id: str | None
    state: str | None
    verdict: str | None
    text: str = Field(description="Outcome, checks, what the bank said, what would change it.")


class ConsultPattern(Args):
    """Which kind of e-mail to which kind of people."""

    segment: Word = Field(description="Segment, as explain_decision tells it.")
    angle: Word = Field(description="Angle of the e-mail.")
    persona: Word = Field(description="Persona of the recipient.")
    channel: Literal["cold_email", "crm_email"] = Field(
        default="cold_email", description="How it is sent."
    )
    step: int = Field(default=1, ge=1, le=20, description="Which e-mail of a sequence.")

    def scope(self) -> Scope:
        """As the bank has it."""
        return Scope(
            segment=self.segment,
            angle=self.angle,
            persona=self.persona,
            channel=self.channel,
            step=self.step,
        )


class PatternKnown(Result):
    """What the bank says of the pattern, with the numbers behind it."""

    answer: BankAnswer


class ListFailures(Args):
    """How far back."""

    hours: int = Field(default=24, ge=1, le=24 * 31, description="Failures of the last hours.")
    cursor: str | None = Field(
        default=None,
        max_length=100,
        description="`next_cursor` of the previous page; absent for the first.",
    )
    limit: int = Field(default=20, ge=1, le=100, description="Causes per page.")


class FailureCause(Result):
    """Failures that share a cause."""

    signature: str
    kind: str
    vendor: str | None
    server: str
    operation: str
    status: int | None
    count: int
    leads: int = Field(description="Leads touched.")
    first_seen: str
    last_seen: str
    per_hour: float
    cost_usd: float
    detail: str = Field(description="The newest one's own words, shortened.")
    injected: int = Field(description="How many of them chaos made.")


class FailurePage(Result):
    """One page, the largest first."""

    causes: tuple[FailureCause, ...]
    next_cursor: str | None


class ListFixes(Args):
    """Which page."""

    cursor: str | None = Field(
        default=None,
        max_length=100,
        description="`next_cursor` of the previous page; absent for the first.",
    )
    limit: int = Field(default=20, ge=1, le=100, description="Proposals per page.")


class FixLine(Result):
    """One proposal of Auto-Fix."""

    fix_id: str
    status: Literal["proposed", "applied", "reverted"]
    title: str
    text: str
    failures: int = Field(description="Failures that speak for it.")
    diff: tuple[str, ...] = Field(description="What would change in config/; empty: a person acts.")
    steps: tuple[str, ...] = Field(description="What a person would do.")
    measured: str | None = Field(description="Its effect on the same leads, once replayed.")


class FixPage(Result):
    """One page, the latest first."""

    fixes: tuple[FixLine, ...]
    next_cursor: str | None
    next_step: str = Field(description="Who applies a proposal, and how.")


GET_STATUS = ToolSpec(
    "get_status",
    "Swarm status",
    "How the whole swarm stands: mode, whether the queen runs, emergency stop, breakers and "
    "pauses, what waits for a person, e-mails sent, money against its caps, and what somebody "
    "should look at. Ask it first. Works while things are down and says what it cannot read.",
    GetStatus,
    SwarmStatus,
)
EXPLAIN_DECISION = ToolSpec(
    "explain_decision",
    "Explain a decision",
    "Why the swarm decided as it did, from the audit record alone: outcome, every check, what the "
    "reasoning bank said, what would change the answer. Of a lead, the newest decision. Changes "
    "nothing.",
    ExplainDecision,
    DecisionExplained,
    outside="what the record quotes of the lead and its news",
)
CONSULT_PATTERN = ToolSpec(
    "consult_pattern",
    "Consult the bank about a pattern",
    "What the swarm has learned about one kind of e-mail to one kind of people: the items that "
    "speak, failures of trials (k of n), prior, posterior, threshold, and what would change the "
    "answer; and whether it matches the golden set. Decides and records nothing.",
    ConsultPattern,
    PatternKnown,
    outside="titles and reasons of lessons that came from leads",
)
LIST_FAILURES = ToolSpec(
    "list_failures",
    "List failures",
    "What failed lately, by cause, the most frequent first: vendor, operation, how often, how many "
    "leads it touched, what it cost. For what could be done about it use list_fixes. Changes "
    "nothing.",
    ListFailures,
    FailurePage,
    outside="what vendors answered",
)
LIST_FIXES = ToolSpec(
    "list_fixes",
    "List proposed fixes",
    "Proposals that Auto-Fix has made from failures: diagnosis, evidence, the change to config/ "
    "and its measured effect. Read only: a person applies one at a terminal, where "
    "`swarm fixes list` also diagnoses the latest failures anew.",
    ListFixes,
    FixPage,
    outside="what vendors answered",
)
