"""Seed lessons. Owns: reading a file of them, dated relative to the day they are planted.

Relative dates keep a demonstration's answers the same over the years although evidence decays.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from guardrails.bank.models import Lesson, Outcome, ReasonCode, Trust
from guardrails.config.loader import describe
from guardrails.errors import ConfigError
from guardrails.model import Frozen, Scope


class SeedLesson(Frozen):
    """A lesson whose time is `days_ago` before it is planted."""

    event_id: str
    days_ago: float = Field(ge=0)
    outcome: Outcome
    reason_code: ReasonCode | None = None
    text: str = ""
    actor: str
    trust: Trust
    lead_id: str | None = None
    scope: Scope
    template_hash: str | None = None
    content_hash: str | None = None
    features: dict[str, str] = Field(default_factory=dict)

    def resolve(self, now: datetime) -> Lesson:
        """The lesson as of `now`."""
        fields = self.model_dump(exclude={"days_ago"})
        return Lesson(at=now - timedelta(days=self.days_ago), **fields)


class _SeedFile(Frozen):
    schema_version: Literal[1]
    note: str
    lessons: tuple[SeedLesson, ...]


def load_seed_lessons(path: Path) -> tuple[SeedLesson, ...]:
    """The lessons in `path` (JSON: schema_version, note, lessons).

    Raises:
        ConfigError: the file cannot be read, or a lesson in it is not valid.
    """
    try:
        return _SeedFile.model_validate(json.loads(path.read_text(encoding="utf-8"))).lessons
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error)}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid JSON: {error}") from error
