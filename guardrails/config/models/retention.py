"""config/production.json: how long what grows is kept as it is, or at all.

What decides, proves or teaches is kept for ever and has no number here (docs/operations.md).
"""

from __future__ import annotations

from pydantic import Field

from guardrails.config.models.base import Section


class RetentionRules(Section):
    """Days. They let no lead pass and turn none away."""

    audit_plain_days: int = Field(
        default=7, ge=1, description="Older days of the audit are compressed; none is deleted."
    )
    engine_days: int = Field(
        default=7, ge=1, description="The engine's memory of workflows that have ended."
    )
    inbox_body_days: int = Field(
        default=90, ge=7, description="Bodies of what came in and was worked on; ids stay."
    )
    permit_days: int = Field(
        default=90, ge=2, description="Spent permits: they were void five minutes after."
    )
    failure_days: int = Field(
        default=180, ge=7, description="Failures, changes of breakers, what chaos did."
    )
    spend_entry_days: int = Field(
        default=400, ge=40, description="Single paid calls that were settled; sums stay."
    )
    process_days: int = Field(
        default=30, ge=1, description="Heartbeats of processes that ended in order."
    )
