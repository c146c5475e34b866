"""Everything known about one lead when System 2 decides, and how well it fits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from guardrails.model.base import Frozen
from guardrails.model.lead import Fact, FactName, Lead
from guardrails.model.states import Reason


class NewsItem(Frozen):
    """A headline about a company. Title and publisher are outside text."""

    title: str = Field(description="The headline.")
    url: str = Field(description="Where it stands.")
    publisher: str | None = Field(default=None, description="Who published it.")
    published_at: datetime | None = Field(default=None, description="When it was published.")
    fetched_at: datetime = Field(description="When it was read.")
    source: Literal["gdelt", "google_news"] = Field(description="Who listed it.")


class CompetitorFinding(Frozen):
    """Result of the competitor check: which configured domain matched, if any."""

    is_competitor: bool = Field(description="Whether a configured domain matched.")
    matched: str | None = Field(default=None, description="The configured domain that matched.")
    why: str = Field(description="The reason for a person.")


class Research(Frozen):
    """What System 2 found out about the company before writing."""

    news: tuple[NewsItem, ...] = Field(default=(), description="Headlines, newest first.")
    competitor: CompetitorFinding = Field(description="Result of the competitor check.")
    sources: Mapping[str, str] = Field(
        default_factory=dict, description="Source name to ok, empty, or why it failed."
    )


class CrmView(Frozen):
    """What the CRM knows of this person and company."""

    contact_id: str | None = Field(default=None, description="Its id; null: not in the CRM.")
    dnd_email: bool = Field(default=False, description="Must not be e-mailed.")
    tags: tuple[str, ...] = Field(default=(), description="The contact's tags.")
    is_customer: bool = Field(default=False, description="Person or company is a customer.")
    customer_domain: str | None = Field(
        default=None, description="Domain of the existing customer this company belongs to."
    )
    last_contacted_at: datetime | None = Field(
        default=None, description="Last contact that the CRM knows of."
    )
    bounced: bool = Field(default=False, description="An e-mail to the address bounced.")


class OutreachView(Frozen):
    """What the sending platform knows of this address."""

    blocked: bool = Field(default=False, description="On the block list, it or its domain.")
    lead_status: str | None = Field(
        default=None, description="active, paused, completed, bounced, unsubscribed, skipped."
    )
    interest: str | None = Field(
        default=None, description="What its answers were taken for, e.g. interested."
    )
    campaign_ids: tuple[str, ...] = Field(default=(), description="Campaigns it is in.")


class RecalledOutcome(Frozen):
    """What became of an e-mail, as the long-term memory tells it."""

    kind: str = Field(description="unsubscribe, complaint, bounce, reply ...")
    reply_class: str | None = Field(default=None, description="Of a reply: what it said.")
    at: datetime = Field(description="When it happened.")


class RecalledTouch(Frozen):
    """An e-mail that went out, as the long-term memory tells it."""

    at: datetime = Field(description="When it went out.")
    elsewhere: bool = Field(description="From another database than this one.")


class RecalledLead(Frozen):
    """An earlier decision about the person, as the long-term memory tells it."""

    state: str = Field(description="How it ended, e.g. disqualified.")
    mode: str | None = Field(default=None, description="shadow, assisted or live.")
    at: datetime = Field(description="When it was decided.")


class Recollection(Frozen):
    """What the long-term memory knows of a person, across years and machines. Outside text: it may
    be missing or false, and can only ever speak against an e-mail.
    """

    answered: bool = Field(description="Whether the memory answered in time, in a form we know.")
    why: str | None = Field(default=None, description="Why it did not.")
    suppressed: str | None = Field(
        default=None, description="Why nobody may write to the person or the company, if so."
    )
    outcomes: tuple[RecalledOutcome, ...] = Field(
        default=(), description="What became of e-mails to them, weightiest or newest first."
    )
    touches: tuple[RecalledTouch, ...] = Field(
        default=(), description="E-mails to them, newest first."
    )
    leads: tuple[RecalledLead, ...] = Field(
        default=(), description="Decisions about them, newest first."
    )


class Dossier(Frozen):
    """Everything known about one lead when System 2 decides."""

    lead: Lead = Field(description="The lead as the hunter gave it.")
    facts: Mapping[FactName, Fact] = Field(
        default_factory=dict, description="What the enricher found."
    )
    research: Research | None = Field(default=None, description="Null when it was not looked up.")
    crm: CrmView | None = Field(default=None, description="Null when the CRM was not asked.")
    outreach: OutreachView | None = Field(
        default=None, description="Null when the sending platform was not asked."
    )
    memory: Recollection | None = Field(
        default=None, description="Null where there is no long-term memory, or it was not asked."
    )
    problems: tuple[Reason, ...] = Field(
        default=(), description="Look-ups that failed; a failed safety look-up defers the lead."
    )


class ScorePart(Frozen):
    """One line of the ICP score: `points` of at most `of`, and why."""

    name: str = Field(description="What was looked at, e.g. title.")
    points: float = Field(description="Points given.")
    of: float = Field(description="Points to be had.")
    why: str = Field(description="The reason for a person.")


class Qualification(Frozen):
    """ICP score, tier and segment with the arithmetic shown."""

    score: int = Field(ge=0, le=100, description="ICP score.")
    tier: int = Field(ge=1, le=4, description="1 fits best.")
    parts: tuple[ScorePart, ...] = Field(description="The arithmetic, line by line.")
    multiplier: float = Field(default=1.0, description="What the sum was multiplied by.")
    unknown: tuple[str, ...] = Field(default=(), description="Inputs that were unknown: 0 points.")
    segment: str = Field(description="Industry group, e.g. agency, saas, other.")
    persona: str = Field(description="Role group, e.g. founder, sales_leader, operations.")
    icp_version: str = Field(description="Version of the rules that scored.")
