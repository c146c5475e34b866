"""The ports between the enricher and its sources. Owns: what asking one source gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from guardrails.errors import BreakerOpen, RateLimited, SpendCapped, VendorError
from guardrails.model import Fact, FactName, Lead, NewsItem

SourceName = Literal["rb2b", "clay"]
Status = Literal[
    "ok",  # it knows something
    "no_match",  # it answered, and knows nothing
    "skipped",  # not needed, or it cannot be asked at all (no key)
    "pending",  # asked, and not finished yet
    "failed",  # no usable answer
    "out_of_credits",  # the vendor's balance is empty
    "capped",  # our own daily cap leaves no room: nothing was sent
    "paused",  # its breaker is open or its rate is used up: nothing was sent
]
_WITHOUT_ANSWER = frozenset({"pending", "failed", "out_of_credits", "capped", "paused"})


@dataclass(frozen=True)
class SourceAnswer:
    """What one source gave.

    Args:
        settles: the paid run that is done once this is cached.
        about_lead: it failed for what the lead is, so that asking again gives the same.
    """

    status: Status
    detail: str
    facts: Mapping[FactName, Fact] = field(default_factory=dict)
    cost_micros: int = 0
    settles: str | None = None
    about_lead: bool = False

    @property
    def final(self) -> bool:
        """Whether asking again soon would give the same, so that it may be cached."""
        return self.status in ("ok", "no_match")

    @property
    def unanswered(self) -> bool:
        """Whether what it would have said about this lead is unknown, and may be known later."""
        return self.status in _WITHOUT_ANSWER and not self.about_lead


def not_sent(error: VendorError) -> SourceAnswer | None:
    """The answer when our own brakes kept the question from leaving; None for other errors."""
    if isinstance(error, SpendCapped):
        return SourceAnswer("capped", error.message)
    if isinstance(error, BreakerOpen | RateLimited):
        return SourceAnswer("paused", error.message)
    return None


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
    def gives(self) -> frozenset[FactName]:
        """The facts it may know."""

    @property
    def unusable(self) -> str | None:
        """Why it cannot be asked at all (no key, no routine), or None."""

    async def look_up(self, lead: Lead, subject: str) -> SourceAnswer:
        """Ask about one lead. `subject` is the keyed hash under which it is recorded."""


class KeyHolder(Protocol):
    """A source whose key can be tried without paying."""

    @property
    def name(self) -> SourceName:
        """Which step of the waterfall this is."""

    @property
    def keyless(self) -> str | None:
        """Why there is no key to try, or None."""

    @property
    def unusable(self) -> str | None:
        """Why it cannot be asked about leads all the same, or None."""

    async def who_am_i(self) -> str:
        """Whose key it is. Raises a `VendorError`."""


class NewsSource(Protocol):
    """Where headlines come from."""

    @property
    def name(self) -> str:
        """As it stands in `Research.sources`."""

    async def search(self, phrase: str, days: int) -> list[NewsItem]:
        """Articles of the last `days` days that hold `phrase`. Raises a `VendorError`."""
