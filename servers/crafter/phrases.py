"""The wording that templates draw on. Owns: the shape of config/templates/phrases.json.

Everything here is written by people of the sender's company and is the same for every lead of a
segment or persona: it says what an AI officer does, never what this lead's company does.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from guardrails.config.loader import describe
from guardrails.config.models import NonEmpty
from guardrails.errors import ConfigError

OTHER = "other"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Offer(_Section):
    """`For <audience> that means <means>.`; without an audience `That means <means>.`"""

    audience: NonEmpty | None
    means: NonEmpty


class SegmentPhrases(_Section):
    """What we say to one industry group."""

    noun: NonEmpty = Field(description="With its article: an agency.")
    scene: NonEmpty = Field(description="How AI often arrives there; half a sentence.")
    job: Offer = Field(description="What an outsourced AI officer does there.")
    routine: Offer = Field(description="The same for those who do the daily work.")


class PersonaPhrases(_Section):
    """What we say to one role group; the variant is fixed by the lead's id."""

    stakes: tuple[NonEmpty, ...] = Field(min_length=1, description="Follows `As <title>, `.")
    asks: tuple[NonEmpty, ...] = Field(min_length=1, description="The closing question.")


class Phrases(_Section):
    """config/templates/phrases.json"""

    schema_version: Literal[1]
    segments: dict[NonEmpty, SegmentPhrases]
    personas: dict[NonEmpty, PersonaPhrases]
    sources: dict[NonEmpty, NonEmpty] = Field(description="How a source is named to its subject.")
    funding_rounds: tuple[NonEmpty, ...]
    not_names: tuple[NonEmpty, ...] = Field(description="First names that are none.")
    legal_forms: tuple[NonEmpty, ...] = Field(description="Dropped from company names.")
    sensitive_words: tuple[NonEmpty, ...] = Field(description="News that is no reason to write.")

    @cached_property
    def sensitive(self) -> re.Pattern[str]:
        """Any sensitive word, whole words only."""
        words = "|".join(re.escape(word) for word in self.sensitive_words)
        return re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)

    def segment(self, name: str) -> SegmentPhrases:
        """The segment's phrases, or those for any company."""
        return self.segments.get(name) or self.segments[OTHER]

    def persona(self, name: str) -> PersonaPhrases:
        """The persona's phrases, or those for any role."""
        return self.personas.get(name) or self.personas[OTHER]


def load_phrases(directory: Path) -> Phrases:
    """Read `phrases.json` beside the templates.

    Raises:
        ConfigError: unreadable, invalid, or without the entries for `other`.
    """
    path = directory / "phrases.json"
    try:
        phrases = Phrases.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error)}") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: not valid JSON: {error}") from error
    for part, entries in (("segments", phrases.segments), ("personas", phrases.personas)):
        if OTHER not in entries:
            raise ConfigError(f"{path}: {part} has no entry {OTHER!r}, the one for all the rest")
    return phrases
