"""The ports between the enricher and its sources. Owns: what asking one source gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from guardrails.model import Fact, FactName, Lead, NewsItem

SourceName = Literal["rb2b", "clay"]
Status = Literal["ok", "no_match", "skipped", "pending", "failed", "out_of_credits"]


@dataclass(frozen=True)
class SourceAnswer:
    """What one source gave. `settles` names the paid run that is done once this is cached."""

    status: Status
    detail: str
    facts: Mapping[FactName, Fact] = field(default_factory=dict)
    cost_micros: int = 0
    settles: str | None = None

    @property
    def final(self) -> bool:
        """Whether asking again soon would give the same, so that it may be cached."""
        return self.status in ("ok", "no_match")


class Source(Protocol):
    """A source of facts about a lead. Its failures are answers, not exceptions.

    Raises:
        StoreUnavailable: our own records cannot be written: nothing may be paid for.
        Refused: the mode lock said no.
    """

    @property
    def name(self) -> SourceName:
        """Which step of the waterfall this is."""

    @property
    def unusable(self) -> str | None:
        """Why it cannot be asked at all (no key, no routine), or None."""

    async def look_up(self, lead: Lead, subject: str) -> SourceAnswer:
        """Ask about one lead. `subject` is the keyed hash under which it is recorded."""


class NewsSource(Protocol):
    """Where headlines come from."""

    @property
    def name(self) -> str:
        """As it stands in `Research.sources`."""

    async def search(self, phrase: str, days: int) -> list[NewsItem]:
        """Articles of the last `days` days that hold `phrase`. Raises a `VendorError`."""
