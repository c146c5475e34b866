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

    title: str
    url: str
    publisher: str | None = None
    published_at: datetime | None = None
    fetched_at: datetime
    source: Literal["gdelt", "google_news"]


class CompetitorFinding(Frozen):
    """Result of the competitor check: which configured domain matched, if any."""

    is_competitor: bool
    matched: str | None = Field(default=None, description="The configured domain that matched.")
    why: str


class Research(Frozen):
    """What System 2 found out about the company before writing."""

    news: tuple[NewsItem, ...] = ()
    competitor: CompetitorFinding
    sources: Mapping[str, str] = Field(
        default_factory=dict, description="Source name to ok, empty, or why it failed."
    )


class CrmView(Frozen):
    """What the CRM knows of this person and company."""

    contact_id: str | None = None
    dnd_email: bool = False
    tags: tuple[str, ...] = ()
    is_customer: bool = False
    customer_domain: str | None = Field(
        default=None, description="Domain of the existing customer this company belongs to."
    )
    last_contacted_at: datetime | None = None
    bounced: bool = False


class OutreachView(Frozen):
    """What the sending platform knows of this address."""

    blocked: bool = False
    lead_status: str | None = Field(
        default=None, description="active, paused, completed, bounced, unsubscribed, skipped."
    )
    interest: str | None = None
    campaign_ids: tuple[str, ...] = ()


class Dossier(Frozen):
    """Everything known about one lead when System 2 decides."""

    lead: Lead
    facts: Mapping[FactName, Fact] = Field(default_factory=dict)
    research: Research | None = None
    crm: CrmView | None = None
    outreach: OutreachView | None = None
    problems: tuple[Reason, ...] = Field(
        default=(), description="Look-ups that failed; a failed safety look-up defers the lead."
    )


class ScorePart(Frozen):
    """One line of the ICP score: `points` of at most `of`, and why."""

    name: str
    points: float
    of: float
    why: str


class Qualification(Frozen):
    """ICP score, tier and segment with the arithmetic shown."""

    score: int = Field(ge=0, le=100)
    tier: int = Field(ge=1, le=4)
    parts: tuple[ScorePart, ...]
    multiplier: float = 1.0
    unknown: tuple[str, ...] = Field(default=(), description="Inputs that were unknown: 0 points.")
    segment: str = Field(description="Industry group, e.g. agency, saas, other.")
    persona: str = Field(description="Role group, e.g. founder, sales_leader, operations.")
    icp_version: str
