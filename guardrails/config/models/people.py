"""config/production.json: approvals, the gateway, and what pauses sending by itself."""

from __future__ import annotations

from pydantic import Field, model_validator

from guardrails.config.models.base import NonEmpty, Section


class ApprovalRules(Section):
    """How long a draft waits for a person. Silence is never consent: what expires is not sent."""

    sla_minutes_by_tier: dict[int, int] = Field(
        description="Tier to minutes until the reminder; other tiers get `sla_minutes_other`."
    )
    sla_minutes_other: int = Field(gt=0)
    escalate_after_minutes: int = Field(
        gt=0, description="After the reminder, until somebody else is asked."
    )
    expires_hours: float = Field(gt=0, le=168)
    mcp_approvers: tuple[NonEmpty, ...] = Field(
        default=(),
        max_length=50,
        description="Approvers, by name or id, whose answer to a question of the Orchestrator-MCP "
        "counts. Empty: nobody approves through MCP.",
    )
    console_url: NonEmpty | None = Field(
        default=None, description="Where approvers find the console; shown on cards."
    )

    def sla_minutes(self, tier: int | None) -> int:
        """Minutes until the reminder for a lead of this tier."""
        return self.sla_minutes_by_tier.get(tier or 0, self.sla_minutes_other)


class GatewayRules(Section):
    """Where the gateway listens, and how much it takes."""

    host: NonEmpty
    port: int = Field(ge=0, le=65535, description="0 chooses a free one.")
    max_body_bytes: int = Field(ge=1024, le=16 * 1024 * 1024)
    body_timeout_s: float = Field(gt=0, le=14, description="RB2B gives up at 15 s.")
    per_source_per_minute: int = Field(
        gt=0,
        description="Refused requests of one address; what is authentic always enters.",
    )


class AutoPause(Section):
    """What pauses sending by itself, and for how long."""

    bounces_per_hour: int = Field(gt=0)
    bounces_pause_hours: float = Field(gt=0)
    complaints_per_day: int = Field(gt=0)
    complaint_pause_hours: float = Field(gt=0)
    unsubscribes_per_day: int = Field(gt=0)
    unsubscribes_pause_hours: float = Field(gt=0)
    bounce_rate: float = Field(gt=0, le=1, description="Bounces of e-mails sent in 7 days.")
    bounce_rate_pause_hours: float = Field(gt=0)
    complaint_rate_warn: float = Field(gt=0, le=1)
    complaint_rate_stop: float = Field(gt=0, le=1)
    rate_min_sent: int = Field(gt=0, description="Below so many e-mails a rate says nothing.")

    @model_validator(mode="after")
    def _warned_first(self) -> AutoPause:
        if self.complaint_rate_warn >= self.complaint_rate_stop:
            raise ValueError("complaint_rate_warn must be below complaint_rate_stop")
        return self
