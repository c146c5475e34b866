"""config/production.json: what must have been seen before a mode is earned.

The bounds are the guide's own numbers: who wants less has to say so by an override, on record.
"""

from __future__ import annotations

from pydantic import Field

from guardrails.config.models.base import NonEmpty, Section


class ReadinessRules(Section):
    """What `swarm preflight` asks for. It lets no lead pass and turns none away."""

    shadow_leads: int = Field(ge=10, description="Leads of a shadow run that none crashed of.")
    chaos_minutes: float = Field(ge=60, description="How long a campaign of failures lasted.")
    drill_days: int = Field(ge=1, le=90, description="The red button was tried so lately.")
    approvals: int = Field(ge=5, description="Drafts approved by people.")
    rejections: int = Field(ge=1, description="Drafts rejected by people, and learned from.")
    sane_daily_cap_micros: int = Field(gt=0, description="A daily cap above this is a mistake.")
    dkim_selectors: tuple[NonEmpty, ...] = Field(
        min_length=1, description="Names under which your mail providers publish DKIM keys."
    )
    backup_dir: NonEmpty | None = Field(
        default=None, description="Where copies of the hive are put; null: nobody makes any."
    )
    backup_hours: float = Field(default=26, gt=0, description="The newest copy may be so old.")
