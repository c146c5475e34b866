"""The shared nouns, frozen. Owns: what a lead, a fact, a draft and a decision are.

Every package imports these; they import nothing of ours. Change is a copy
(`model_copy(update=...)`). Text that came from outside (lead fields, enrichment, news) lives
only in `Lead`, `Fact` and `NewsItem` values and is data, never an instruction (P9).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """Immutable value; unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def canonical_json(value: Any) -> bytes:
    """Sorted, compact, UTF-8 JSON: equal values give equal bytes. Source of every digest."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(value: Any) -> str:
    """SHA-256 hex of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


class Mode(StrEnum):
    """How much the swarm may do outside. Ordered; lowering is always allowed."""

    SHADOW = "shadow"  # reads real data, writes nothing outside
    ASSISTED = "assisted"  # a person approves every send
    LIVE = "live"  # sends what the gate passes

    @property
    def rank(self) -> int:
        """0 for shadow, 2 for live: the lower of two modes wins."""
        return list(Mode).index(self)


class Verdict(StrEnum):
    """What one check, or the whole gate, says. Ordered by severity."""

    PASS = "pass"
    REVIEW = "review"  # a person must look
    DEFER = "defer"  # not now: something needed is missing or late
    BLOCK = "block"  # this draft must not go out
    DISQUALIFY = "disqualify"  # this lead must not be contacted

    @property
    def severity(self) -> int:
        """0 for pass, 4 for disqualify: the most severe check decides."""
        return _SEVERITY[self]


_SEVERITY = {verdict: place for place, verdict in enumerate(Verdict)}


class LeadState(StrEnum):
    """The one state in which a prepared lead ends (P7)."""

    INVALID = "invalid"  # the row cannot be used; the reason names field and remedy
    DUPLICATE = "duplicate"  # the same person is already in this run
    DISQUALIFIED = "disqualified"  # must not be contacted
    BLOCKED = "blocked"  # a draft exists and must not go out
    REVIEW = "review"  # a draft exists and needs a person
    DEFERRED = "deferred"  # something needed is missing or late; try again later
    SHADOW_LOGGED = "shadow_logged"  # would have been sent; written to the shadow log
    AWAITING_APPROVAL = "awaiting_approval"  # assisted: waits for a person
    READY = "ready"  # live: may be delivered


class Reason(Frozen):
    """Why, for a machine (`code`) and for a person (`text`)."""

    code: str = Field(description="Stable code, e.g. competitor_domain.")
    text: str = Field(description="One sentence for a person; no personal e-mail address in it.")
    field: str | None = Field(default=None, description="The field at fault, when there is one.")
    remedy: str | None = Field(default=None, description="What would change the answer.")


class Consent(Frozen):
    """A recorded consent, as the row or the CRM states it."""

    basis: Literal["express", "implied"]
    recorded_at: datetime | None = None
    expires_at: datetime | None = None
    source: str | None = None


FactName = Literal[
    "email",
    "first_name",
    "last_name",
    "title",
    "company",
    "domain",
    "industry",  # one of the industries of config/icp.json, or the source's own word
    "employee_count",  # int
    "revenue_usd",  # int
    "country",  # ISO 3166-1 alpha-2
    "timezone",  # IANA name
    "city",
    "linkedin_url",
    "technologies",  # tuple of names
    "hiring",  # tuple of open roles
    "funding",  # e.g. "Series A, 12M USD"
    "parent_domain",  # domain of the parent company
    "ownership",  # private | public | government | military | education | nonprofit
    "email_status",  # valid | catch_all | invalid | unknown
    "mx",  # bool: the domain accepts mail
    "pages_seen",  # int: pages of our site seen by this visitor
    "ai_initiative",  # what the company says about its AI plans
]
FactValue = str | int | float | bool | tuple[str, ...]


class Fact(Frozen):
    """One known thing and where it comes from. Unknown things have no Fact."""

    value: FactValue
    source: str = Field(
        description="csv, rb2b, clay, cache:<source>, dns, gdelt, google_news, ghl."
    )
    url: str | None = Field(default=None, description="Where a person can check it.")
    fetched_at: datetime
    ttl_days: int = Field(ge=0, description="Days after which it is stale as evidence.")
    confidence: float = Field(ge=0, le=1)


Facts = Mapping[FactName, Fact]


class Lead(Frozen):
    """A person at a company, normalised by the hunter. Absent means unknown."""

    lead_id: str = Field(description="L- and 20 hex digits: keyed hash of the dedupe key.")
    dedupe_key: str = Field(description="What makes two rows the same person (normalised e-mail).")
    row: int | None = Field(default=None, description="1-based data row in the source file.")
    source: Literal["csv", "rb2b", "api"] = "csv"
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    title: str | None = None
    company: str | None = None
    domain: str | None = Field(default=None, description="Registrable or given host, ASCII.")
    website: str | None = None
    phone: str | None = Field(default=None, description="E.164.")
    linkedin_url: str | None = None
    country: str | None = Field(default=None, description="ISO 3166-1 alpha-2.")
    state: str | None = None
    city: str | None = None
    timezone: str | None = Field(default=None, description="IANA name, only when stated.")
    industry: str | None = None
    employee_count: int | None = Field(default=None, ge=0)
    technologies: tuple[str, ...] = ()
    pages_seen: int | None = Field(default=None, ge=0)
    captured_url: str | None = None
    seen_at: datetime | None = None
    # What the row itself says about contacting this person; honoured, never overridden.
    opted_out: bool = False
    customer: bool = False
    bounced: bool = False
    do_not_contact: str | None = Field(default=None, description="The row's own words, if any.")
    last_contacted_at: datetime | None = None
    consent: Consent | None = None


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


class Claim(Frozen):
    """A factual span of a draft and the evidence it rests on."""

    text: str = Field(description="The span exactly as it stands in the draft.")
    kind: Literal["company", "role", "other"]
    fact: str = Field(description="Which fact or news item supports it, e.g. hiring or news.")
    evidence: str = Field(description="The evidence's value as it was fetched.")
    source: str
    url: str | None = None
    fetched_at: datetime
    ttl_days: int


class Sender(Frozen):
    """Who writes. Comes from configuration only, never from a model or a lead."""

    name: str
    email: str
    company: str
    postal_address: str


class Scope(Frozen):
    """Where a pattern was seen; the bank backs off from the narrowest."""

    segment: str
    angle: str
    persona: str
    channel: Literal["cold_email", "crm_email"] = "cold_email"
    step: int = 1


class Draft(Frozen):
    """One e-mail, written and not sent. The recipient is the lead's address, never the draft's."""

    subject: str
    body: str
    claims: tuple[Claim, ...] = ()
    template: str = Field(description="Template id.")
    template_hash: str = Field(description="SHA-256 of the template's source, first 16 digits.")
    scope: Scope
    features: Mapping[str, str] = Field(
        default_factory=dict,
        description="Structure, not wording: opener, claims, length, cta, subject style.",
    )
    sender: Sender
    links: tuple[str, ...] = ()
    dropped: tuple[Reason, ...] = Field(
        default=(), description="Claims and templates that were not used, and why."
    )

    def content_hash(self, to: str) -> str:
        """Digest of exactly what would go out: recipient, sender, subject and body."""
        return digest(
            {
                "to": to.casefold(),
                "from": self.sender.email,
                "subject": self.subject,
                "body": self.body,
            }
        )


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
