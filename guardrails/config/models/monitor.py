"""config/production.json: what the health monitor looks at, and when it wakes somebody."""

from __future__ import annotations

from pydantic import Field, model_validator

from guardrails.config.models.base import Section


class MonitorRules(Section):
    """Thresholds of the health monitor. It watches; nothing here decides about a lead."""

    interval_s: float = Field(ge=0.5, le=3600, description="Between two rounds of checks.")
    beat_interval_s: int = Field(
        ge=1,
        le=300,
        description="Queen and gateway beat, and the queen asks her servers, so often.",
    )
    silent_after_s: float = Field(
        gt=0, description="A process or server not heard of for so long is hung or dead."
    )
    recover_rounds: int = Field(
        ge=1, description="Good rounds in a row before an incident is over: no flapping."
    )
    restart_shown_s: float = Field(
        gt=0, description="How long a restarted server is an incident; longer than a round."
    )
    restarts_in_an_hour: int = Field(ge=2, description="So many of one server are critical.")
    retell_minutes: tuple[float, ...] = Field(
        description="After so many minutes an open incident is told again; the last one repeats."
    )
    escalate_after_minutes: float = Field(
        gt=0, description="A warning that has lasted so long becomes critical."
    )
    mention: str = Field(
        pattern=r"^(<!(channel|here)>|<@[UW][A-Z0-9]+>|<!subteam\^S[A-Z0-9]+>)?$",
        description="Whom critical alerts call in Slack: <!channel>, <@U...>; empty: nobody.",
    )
    tell_timeout_s: float = Field(gt=0, le=60)
    inbox_oldest_s: float = Field(gt=0, description="What came in and is not taken up.")
    delivery_overdue_s: float = Field(gt=0, description="A lead that could go out and does not.")
    write_stuck_s: float = Field(gt=0, description="A claimed or dispatching write without an end.")
    approval_grace_s: float = Field(gt=0, description="Overdue beyond its SLA by so much.")
    slack_oldest_s: float = Field(gt=0, description="A Slack message that is not posted.")
    lesson_oldest_s: float = Field(gt=0, description="A lesson that is not in the bank.")
    memory_oldest_s: float = Field(
        default=3600, gt=0, description="A fact that is not in the long-term memory."
    )
    breaker_open_s: float = Field(gt=0, description="A breaker that has not closed for so long.")
    key_refused_s: float = Field(gt=0, description="How long a vendor's 401 or 403 is shown.")
    disk_warn_mb: int = Field(gt=0)
    disk_critical_mb: int = Field(gt=0)
    clock_skew_s: float = Field(gt=0)
    clock_check_minutes: float = Field(gt=0, description="Between two looks at another's clock.")
    certificate_days: float = Field(gt=0, description="Left until the gateway's certificate ends.")
    certificate_check_minutes: float = Field(gt=0)
    audit_full_hours: float = Field(
        gt=0,
        description="Between two checks of the whole chain; what is new is checked each round.",
    )

    @model_validator(mode="after")
    def _make_sense(self) -> MonitorRules:
        if self.silent_after_s < 3 * self.beat_interval_s:
            raise ValueError("silent_after_s must be at least three times beat_interval_s")
        if self.disk_critical_mb > self.disk_warn_mb:
            raise ValueError("disk_critical_mb is above disk_warn_mb")
        spans = self.retell_minutes
        if not spans or spans[0] <= 0 or list(spans) != sorted(spans):
            raise ValueError("retell_minutes must be above 0, rise, and not be empty")
        return self
