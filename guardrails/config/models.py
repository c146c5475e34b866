"""What each file in config/ may say. Owns: shapes, bounds and defaults' absence.

Every field is required unless a default is harmless, so that a forgotten limit is an error and
never "no limit". Unknown keys are errors.
"""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from guardrails.model import FactName, Mode

Domain = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, to_lower=True, pattern=r"^[a-z0-9][a-z0-9.-]*\.[a-z0-9-]{2,}$"
    ),
]
NonEmpty = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Vendor = Literal["ghl", "instantly", "clay", "rb2b", "gdelt", "google_news"]
Fault = Literal[
    "timeout_before", "timeout_after", "reset", "http_429", "http_500", "http_503", "slow",
    "truncated_json", "malformed_json", "created_422", "duplicate_webhook", "server_killed",
    "server_hung", "database_locked", "disk_full", "torn_bank",
]  # fmt: skip


class Section(BaseModel):
    """A validated piece of configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FailureInjection(Section):
    """Chaos: seeded faults between a service and the wire. Off unless a campaign runs."""

    enabled: bool
    rate: float = Field(ge=0, le=1)
    seed: int = Field(ge=0)
    faults: tuple[Fault, ...]


class Timeouts(Section):
    """Seconds; every wait is bounded."""

    connect: float = Field(gt=0, le=60)
    read: float = Field(gt=0, le=300)
    write: float = Field(gt=0, le=300)
    pool: float = Field(gt=0, le=60)
    total: float = Field(gt=0, le=600)


class VendorLimits(Section):
    """The vendor's published limits; ours stay below them."""

    requests: int = Field(gt=0)
    per_seconds: float = Field(gt=0)
    per_day: int | None = Field(default=None, gt=0)


class VendorConfig(Section):
    """How we talk to one vendor."""

    base_url: str = Field(pattern=r"^https?://")
    timeouts: Timeouts
    limits: VendorLimits
    max_attempts: int = Field(ge=1, le=3)


class ClayConfig(VendorConfig):
    """Clay public API v0. The routine is yours: its inputs and outputs are mapped here."""

    routine_id: str = Field(description="Routine to run; overridden by CLAY_ROUTINE_ID.")
    outputs: dict[NonEmpty, NonEmpty] = Field(description="Routine output name to fact name.")
    poll_interval_s: float = Field(gt=0)
    poll_deadline_s: float = Field(gt=0)


class Vendors(Section):
    """All vendors."""

    ghl: VendorConfig
    instantly: VendorConfig
    clay: ClayConfig
    rb2b: VendorConfig
    gdelt: VendorConfig
    google_news: VendorConfig


class Spend(Section):
    """Money, in integer micro-dollars (1 USD = 1,000,000)."""

    time_zone: str
    daily_cap_micros: int = Field(ge=0)
    vendor_daily_cap_micros: dict[Vendor, int]
    prices_micros: dict[Vendor, dict[NonEmpty, Annotated[int, Field(ge=0)]]]


class SendingWindow(Section):
    """Recipient-local window in which an e-mail may go out."""

    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...]
    start: time
    end: time


class SendingLimits(Section):
    """How much may go out."""

    per_day: int = Field(gt=0)
    per_hour: int = Field(gt=0)
    per_recipient_domain_hour: int = Field(gt=0)
    per_mailbox_day: int = Field(gt=0)
    per_mailbox_day_hard: int = Field(gt=0)
    spacing_s: int = Field(ge=0)
    ramp_per_day: int = Field(gt=0)
    ramp_clean_days: int = Field(ge=0)


class Work(Section):
    """How much runs at once, and for how long."""

    concurrency: int = Field(ge=1, le=256, description="Leads in flight.")
    call_timeout_s: float = Field(gt=0, le=600, description="Longest wait for one tool call.")
    enrichment_needs: tuple[FactName, ...] = Field(
        description="Facts to ask for: the waterfall stops when all are known. Ownership and "
        "parent company are among them because they turn leads away."
    )
    enrichment_cache_days: int = Field(ge=0)
    news_max_items: int = Field(ge=0, le=50)
    news_max_age_days: int = Field(ge=1)


class Production(Section):
    """config/production.json"""

    schema_version: Literal[1]
    mode: Mode
    failure_injection: FailureInjection
    vendors: Vendors
    spend: Spend
    sending_window: SendingWindow
    sending_limits: SendingLimits
    work: Work


class SizeBand(Section):
    """Points for `min` to `max` employees, both inclusive; null is open."""

    min: int = Field(ge=0)
    max: int | None = None
    points: int = Field(ge=0)


class TitleGroup(Section):
    """Titles that match (whole words, any case) and what they earn."""

    persona: NonEmpty
    seniority: Literal["c_level", "vp", "director", "manager", "other"]
    keywords: tuple[NonEmpty, ...]
    points: int = Field(ge=0)


class IndustryGroup(Section):
    """Industries of one ICP tier, and the segment names they map to."""

    tier: int = Field(ge=1, le=3)
    points: int = Field(ge=0)
    segments: dict[NonEmpty, tuple[NonEmpty, ...]] = Field(
        description="Segment name to industry words."
    )


class Icp(Section):
    """config/icp.json: who fits, and how much."""

    schema_version: Literal[1]
    version: NonEmpty
    size_bands: tuple[SizeBand, ...]
    titles: tuple[TitleGroup, ...]
    industries: tuple[IndustryGroup, ...]
    technology_points: dict[NonEmpty, int] = Field(description="crm, sales, marketing to points.")
    technology_words: dict[NonEmpty, tuple[NonEmpty, ...]]
    technology_max: int
    intent_points: dict[Literal["pages_seen", "hiring", "funding", "news"], int]
    intent_max: int
    multipliers: dict[Literal["c_level", "vp"], dict[Literal["1", "2", "3", "other"], float]]
    tiers: dict[Literal["1", "2", "3"], int]
    min_employees: int


class ContentPolicy(Section):
    """What may be written."""

    subject_min: int
    subject_max: int
    max_exclamations: int
    body_min_words: int
    body_max_words: int
    banned_openers: tuple[NonEmpty, ...]
    spam_words: tuple[NonEmpty, ...]
    fake_prefixes: tuple[NonEmpty, ...]
    price_patterns: tuple[NonEmpty, ...]
    allowed_link_domains: tuple[Domain, ...]
    opt_out_phrases: tuple[NonEmpty, ...]
    source_phrases: tuple[NonEmpty, ...] = Field(
        description="Words that name where we have somebody's details from (GDPR, first contact)."
    )

    @field_validator("price_patterns")
    @classmethod
    def _compiles(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            re.compile(pattern)
        return patterns


class WhoPolicy(Section):
    """Whom we may write to."""

    min_employees: int
    recent_contact_days: int
    blocked_local_parts: tuple[NonEmpty, ...]
    role_local_parts: tuple[NonEmpty, ...]
    review_titles: tuple[NonEmpty, ...]
    institution_suffixes: tuple[NonEmpty, ...]
    institution_ownership: tuple[NonEmpty, ...]
    nonprofit_words: tuple[NonEmpty, ...]
    consent_required_countries: tuple[str, ...]
    casl_countries: tuple[str, ...]
    legitimate_interest_countries: tuple[str, ...]
    bulk_min_score: int = Field(description="Below this score a lead is disqualified.")


class BankPolicy(Section):
    """The reasoning bank's statistics (DESIGN section 5)."""

    prior_alpha: float = Field(gt=0)
    prior_beta: float = Field(gt=0)
    theta: float = Field(gt=0, lt=1)
    review_at: float = Field(gt=0, lt=1)
    block_at: float = Field(gt=0, lt=1)
    half_life_days: float = Field(gt=0)
    block_expires_days: float = Field(gt=0)
    parent_weight: float = Field(gt=0, description="Pseudo-trials that the parent level lends.")
    golden_similarity: float = Field(gt=0, le=1)


class Policy(Section):
    """config/policy.json"""

    schema_version: Literal[1]
    version: NonEmpty
    content: ContentPolicy
    who: WhoPolicy
    bank: BankPolicy


class Competitors(Section):
    """config/competitors.json"""

    schema_version: Literal[1]
    domains: tuple[Domain, ...]
    names: tuple[NonEmpty, ...]


class Exclusions(Section):
    """config/exclusions.json: partners, customers and domains no campaign may touch."""

    schema_version: Literal[1]
    partners: tuple[Domain, ...]
    customers: tuple[Domain, ...]
    free_mail: tuple[Domain, ...]
    disposable: tuple[Domain, ...]


class TemplateEntry(Section):
    """One template: its file and when it may be chosen. `*` matches all."""

    id: NonEmpty
    file: NonEmpty
    angle: NonEmpty
    segments: tuple[NonEmpty, ...]
    personas: tuple[NonEmpty, ...]
    channel: Literal["cold_email", "crm_email"]
    step: int = Field(ge=1)
    needs: tuple[NonEmpty, ...] = Field(description="Facts without which it cannot be used.")
    priority: int = Field(description="Lower is tried first.")


class Templates(Section):
    """config/templates.json"""

    schema_version: Literal[1]
    version: NonEmpty
    fact_ttl_days: dict[NonEmpty, int]
    templates: tuple[TemplateEntry, ...]


class GoldenItem(Section):
    """A success pattern: structure and claims, not wording."""

    id: NonEmpty
    title: NonEmpty
    segment: NonEmpty
    angle: NonEmpty
    persona: NonEmpty
    channel: Literal["cold_email", "crm_email"]
    step: int = Field(ge=1)
    features: dict[NonEmpty, NonEmpty]
    successes: int = Field(ge=1)
    source: NonEmpty = Field(description="Who confirmed it and from which outcome.")


class GoldenSet(Section):
    """config/golden_set.json"""

    schema_version: Literal[1]
    version: NonEmpty
    items: tuple[GoldenItem, ...]


class Approver(Section):
    """A person who may approve sends. The Slack ids come from the environment when null."""

    name: NonEmpty
    slack_user_id: str | None = Field(default=None, pattern=r"^[UW][A-Z0-9]{4,}$")
    role: Literal["approver", "escalation"]


class Approvers(Section):
    """config/approvers.json"""

    schema_version: Literal[1]
    approvers: tuple[Approver, ...]


class Config(Section):
    """All of config/, validated together."""

    production: Production
    icp: Icp
    policy: Policy
    competitors: Competitors
    exclusions: Exclusions
    templates: Templates
    golden_set: GoldenSet
    approvers: Approvers
