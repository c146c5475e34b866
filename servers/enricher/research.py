"""What to know of a company before writing. Owns: which headlines count, how long they are kept.

Both news sources are asked at once; one that fails is named and leaves the other, and when all
fail, that is a problem of the look-up: "no news" was said by nobody. Refuses items
that do not name the company, are too old, have no date, or come from the future.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from guardrails.clock import Clock
from guardrails.config.models import Competitors
from guardrails.errors import VendorError
from guardrails.model import NewsItem, Reason, Research
from servers.enricher.competitors import CompetitorCheck
from servers.enricher.contract import (
    RESEARCH_INCOMPLETE,
    CompanyResearch,
    ResearchCompany,
)
from servers.enricher.headlines import CompanyName, spoken_name, story_key
from servers.enricher.sources import NewsSource
from servers.enricher.values import clean_text

_REMEMBERED = 512
_REMEMBER_FOR = timedelta(minutes=10)
_AHEAD = timedelta(hours=1)  # clocks differ


@dataclass(frozen=True)
class NewsRules:
    """How many headlines, and how old they may be."""

    max_items: int
    max_age_days: int


@dataclass(frozen=True)
class _Found:
    news: tuple[NewsItem, ...]
    sources: dict[str, str]
    at: datetime

    @property
    def failures(self) -> tuple[str, ...]:
        said = self.sources.items()
        return tuple(f"{name} {state}" for name, state in said if state.startswith("failed"))

    @property
    def problems(self) -> tuple[Reason, ...]:
        if not self.failures or len(self.failures) < len(self.sources):
            return ()
        text = f"No news source could be asked: {'; '.join(self.failures)}"
        return (Reason(code=RESEARCH_INCOMPLETE, text=text, remedy="one of them answers"),)


class CompanyResearcher:
    """Researches companies; remembers each for ten minutes, so that colleagues cost one look-up."""

    def __init__(
        self,
        sources: Sequence[NewsSource],
        competitors: Competitors,
        rules: NewsRules,
        clock: Clock,
    ) -> None:
        self._sources = tuple(sources)
        self._competitors = CompetitorCheck(competitors)
        self._rules = rules
        self._clock = clock
        self._remembered: OrderedDict[str, _Found] = OrderedDict()
        self._busy: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def research_company(self, args: ResearchCompany) -> CompanyResearch:
        """News about the company, and whether it is a competitor.

        Raises:
            BadInput: a domain is none.
            Refused: the mode lock said no.
        """
        competitor = self._competitors.find(
            domain=args.domain, company=args.company, parent_domain=args.parent_domain
        )
        phrase = _phrase(args)
        found = await self._news_about(phrase) if phrase else self._not_asked()
        return CompanyResearch(
            research=Research(news=found.news, competitor=competitor, sources=found.sources),
            incomplete_because=found.problems,
        )

    def _not_asked(self) -> _Found:
        why = "skipped: the company has no name that means it alone"
        return _Found((), {source.name: why for source in self._sources}, self._clock())

    async def _news_about(self, phrase: str) -> _Found:
        key = phrase.casefold()
        lock = self._busy.setdefault(key, asyncio.Lock())
        async with lock:
            found = self._remembered.get(key)
            if found is None or self._clock() - found.at > _REMEMBER_FOR:
                found = await self._search(phrase)
                if not found.failures:
                    self._remembered[key] = found
            if key in self._remembered:
                self._remembered.move_to_end(key)
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
            return found

    async def _search(self, phrase: str) -> _Found:
        asked = await asyncio.gather(*(self._ask(source, phrase) for source in self._sources))
        now = self._clock()
        name = CompanyName.of(phrase)
        oldest = now - timedelta(days=self._rules.max_age_days)
        kept: list[NewsItem] = []
        states: dict[str, str] = {}
        for source, (items, problem) in zip(self._sources, asked, strict=True):
            good = [
                item
                for item in items
                if item.published_at
                and oldest <= item.published_at <= now + _AHEAD
                and name.in_headline(item.title)
            ]
            states[source.name] = problem or ("ok" if good else "empty")
            kept += good
        return _Found(self._newest(kept), states, now)

    async def _ask(self, source: NewsSource, phrase: str) -> tuple[list[NewsItem], str | None]:
        try:
            return await source.search(phrase, self._rules.max_age_days), None
        except VendorError as error:
            return [], f"failed: {error.message}"

    def _newest(self, items: Iterable[NewsItem]) -> tuple[NewsItem, ...]:
        """The newest of each story, newest first; of equals, the publisher's own link first."""

        def order(item: NewsItem) -> tuple[float, str, str]:
            published = item.published_at or item.fetched_at
            return (-published.timestamp(), item.title, item.source)

        stories: dict[str, NewsItem] = {}
        for item in sorted(items, key=lambda item: (item.source, *order(item))):
            stories.setdefault(story_key(item.title), item)
        return tuple(sorted(stories.values(), key=order)[: self._rules.max_items])


def _phrase(args: ResearchCompany) -> str | None:
    """What to search for: the company's name, else its domain; None when neither can mean it."""
    name = clean_text(args.company, 100) if args.company else None
    if name:
        spoken = spoken_name(name)
        return spoken if CompanyName.of(spoken).distinctive else None
    return args.domain.strip().lower() if args.domain else None
