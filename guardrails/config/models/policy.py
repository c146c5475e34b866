"""config/policy.json, competitors.json and exclusions.json: what may be sent, and to whom."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from guardrails.config.models.base import Domain, NonEmpty, Section


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
