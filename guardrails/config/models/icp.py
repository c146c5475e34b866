"""config/icp.json: who fits, and how much."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from guardrails.config.models.base import NonEmpty, Section


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
