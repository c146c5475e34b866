"""config/templates.json, golden_set.json and approvers.json."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from guardrails.config.models.base import NonEmpty, Section


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
