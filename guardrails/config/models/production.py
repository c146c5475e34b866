"""config/production.json: mode, vendors, money, sending, work, chaos."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from guardrails.config.models.base import NonEmpty, Section
from guardrails.config.models.monitor import MonitorRules
from guardrails.config.models.people import ApprovalRules, AutoPause, GatewayRules
from guardrails.config.models.readiness import ReadinessRules
from guardrails.config.models.retention import RetentionRules
from guardrails.model import FactName, Mode
from guardrails.zones import zone

Vendor = Literal["ghl", "instantly", "clay", "rb2b", "gdelt", "google_news"]
Fault = Literal[
    "timeout_before", "timeout_after", "reset", "http_429", "http_500", "http_503", "slow",
    "truncated_json", "malformed_json", "created_422", "duplicate_webhook", "server_killed",
    "server_hung", "database_locked", "disk_full", "torn_bank",
]  # fmt: skip


class FaultTarget(Section):
    """One fault put at one place: the sweep's way of missing nothing."""

    lead_id: NonEmpty
    site: NonEmpty = Field(description="vendor.operation, e.g. ghl.search_contacts")
    fault: Fault


class FailureInjection(Section):
    """Chaos: seeded faults between a service and the wire. Off unless a campaign runs."""

    enabled: bool
    rate: float = Field(ge=0, le=1, description="Share of vendor attempts that get a fault.")
    seed: int = Field(ge=0)
    faults: tuple[Fault, ...]
    targets: tuple[FaultTarget, ...] = Field(default=(), description="Set by the sweep.")


class Timeouts(Section):
    """Seconds; every wait is bounded."""

    connect: float = Field(gt=0, le=60)
    read: float = Field(gt=0, le=300)
    write: float = Field(gt=0, le=300)
    pool: float = Field(gt=0, le=60)
    total: float = Field(gt=0, le=600)


class VendorLimits(Section):
    """The vendor's published limits; ours stay below them."""

    requests: int = Field(gt=0, le=1000)
    per_seconds: float = Field(gt=0, le=3600)
    per_day: int | None = Field(default=None, gt=0)


class VendorConfig(Section):
    """How we talk to one vendor."""

    base_url: str = Field(pattern=r"^https?://")
    timeouts: Timeouts
    limits: VendorLimits
    max_attempts: int = Field(ge=1, le=3)
    renamed_fields: dict[NonEmpty, NonEmpty] = Field(
        default_factory=dict,
        description="Field of an answer, as the vendor calls it now, to the name we know.",
    )


class GhlConfig(VendorConfig):
    """GoHighLevel. The version headers are required, and differ by group of endpoints."""

    api_version: NonEmpty
    conversations_version: NonEmpty


class ClayConfig(VendorConfig):
    """Clay public API v0. The routine is yours: its inputs and outputs are mapped here."""

    routine_id: str = Field(description="Routine to run; overridden by CLAY_ROUTINE_ID.")
    outputs: dict[NonEmpty, NonEmpty] = Field(description="Routine output name to fact name.")
    poll_interval_s: float = Field(gt=0)
    poll_deadline_s: float = Field(gt=0)


class Vendors(Section):
    """All vendors."""

    ghl: GhlConfig
    instantly: VendorConfig
    clay: ClayConfig
    rb2b: VendorConfig
    gdelt: VendorConfig
    google_news: VendorConfig


class Spend(Section):
    """Money, in integer micro-dollars (1 USD = 1,000,000)."""

    time_zone: NonEmpty = Field(description="A day of spending ends at midnight there.")
    daily_cap_micros: int = Field(ge=0)
    vendor_daily_cap_micros: dict[Vendor, Annotated[int, Field(ge=0)]]
    prices_micros: dict[Vendor, dict[NonEmpty, Annotated[int, Field(ge=0)]]]

    @field_validator("time_zone")
    @classmethod
    def _exists(cls, value: str) -> str:
        if zone(value) is None:
            raise ValueError("no such time zone: give an IANA name, e.g. America/New_York")
        return value


class BreakerRules(Section):
    """When calls to a vendor stop, and for how long. One breaker per vendor and operation class."""

    window_s: float = Field(gt=0, le=3600)
    min_calls: int = Field(ge=1, description="Calls in the window before its ratio counts.")
    failure_ratio: float = Field(gt=0, le=1)
    consecutive: int = Field(ge=1, description="Failures in a row that open it at once.")
    open_s: float = Field(gt=0, le=3600)


class RetryBudget(Section):
    """How much extra traffic retries may make at one vendor."""

    ratio: float = Field(ge=0, le=1, description="Retries earned by each first attempt.")
    reserve: float = Field(ge=0, le=1000, description="Retries that a quiet vendor may get.")


class SendingWindow(Section):
    """Recipient-local window in which an e-mail may go out."""

    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...]
    start: time
    end: time


class SendingLimits(Section):
    """How much may go out. A day is cut in `spend.time_zone`; an hour is the last 60 minutes."""

    per_day: int = Field(gt=0)
    per_hour: int = Field(gt=0)
    per_recipient_domain_hour: int = Field(gt=0)
    per_mailbox_day: int = Field(gt=0)
    per_mailbox_day_hard: int = Field(
        gt=0, le=1000, description="No mailbox may be set beyond this. A campaign takes no more."
    )
    spacing_s: int = Field(ge=0, description="Seconds between two e-mails of this swarm.")
    ramp_per_day: int = Field(gt=0, description="A day's e-mails, tier 1 only, while ramping up.")
    ramp_clean_days: int = Field(ge=0, description="Clean days that end the ramp; 0: no ramp.")

    @model_validator(mode="after")
    def _below_the_hard_cap(self) -> SendingLimits:
        if self.per_mailbox_day > self.per_mailbox_day_hard:
            raise ValueError("per_mailbox_day is above per_mailbox_day_hard")
        return self


class Delivery(Section):
    """Where an e-mail goes out from, and what the CRM is told of it. Names, as the vendors show
    them.
    """

    instantly_campaign: NonEmpty = Field(description="Campaign that carries first e-mails.")
    ghl_pipeline: NonEmpty
    ghl_stage: NonEmpty = Field(description="Stage of that pipeline for somebody written to.")
    ghl_tags: tuple[NonEmpty, ...] = Field(description="Tags added to a contact written to.")
    permit_seconds: int = Field(ge=5, le=300, description="How long a permit lives.")
    decision_max_age_days: float = Field(
        default=7, gt=0, le=90, description="An older decision lets nothing go out any more."
    )


class Work(Section):
    """How much runs at once, and for how long."""

    concurrency: int = Field(ge=1, le=256, description="Leads in flight.")
    call_timeout_s: float = Field(gt=0, le=600, description="Longest wait for one tool call.")
    quarantine_after: int = Field(
        ge=2, le=100, description="Crashes in a row of one lead before it is left alone."
    )
    enrichment_needs: tuple[FactName, ...] = Field(
        description="Facts to ask for: the waterfall stops when all are known. Ownership and "
        "parent company are among them because they turn leads away."
    )
    enrichment_cache_days: int = Field(ge=0)
    news_max_items: int = Field(ge=0, le=50)
    news_max_age_days: int = Field(ge=1)
    lease_seconds: float = Field(
        ge=1,
        le=600,
        description="So long others leave a worker's leads to it that is not heard of. Longer than "
        "the worst pause of one that works: a database restart, 15 s of standing still.",
    )
    lease_renew_seconds: float = Field(gt=0, description="How often a worker renews its lease.")

    @model_validator(mode="after")
    def _renews_in_time(self) -> Work:
        if self.lease_renew_seconds * 2 > self.lease_seconds:
            raise ValueError("work.lease_renew_seconds: at most half of lease_seconds")
        return self


class Production(Section):
    """config/production.json"""

    schema_version: Literal[1]
    mode: Mode
    failure_injection: FailureInjection
    vendors: Vendors
    breaker: BreakerRules
    retry_budget: RetryBudget
    spend: Spend
    sending_window: SendingWindow
    sending_limits: SendingLimits
    delivery: Delivery
    approvals: ApprovalRules
    gateway: GatewayRules
    auto_pause: AutoPause
    monitor: MonitorRules
    readiness: ReadinessRules
    retention: RetentionRules = RetentionRules()
    work: Work
