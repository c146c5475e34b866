"""The crafter over the real configuration, and invented leads to write to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from guardrails.config.loader import load_config
from guardrails.config.models import Config
from guardrails.model import (
    CompetitorFinding,
    Dossier,
    Fact,
    FactValue,
    Lead,
    NewsItem,
    Qualification,
    Research,
)
from servers.crafter.compose import compose
from servers.crafter.contract import Drafted, WriteDraft
from servers.crafter.service import CrafterService
from servers.crafter.settings import SANDBOX_SENDER

NOW = datetime(2026, 3, 10, 14, 0, tzinfo=UTC)
HEADLINE = "Brightwater Digital opens a second studio in Leeds"


@dataclass(frozen=True)
class Writer:
    """Writes to an invented lead; every argument changes one thing about it."""

    service: CrafterService
    config: Config
    now: datetime = NOW

    def industry(self, segment: str) -> str:
        for group in self.config.icp.industries:
            if segment in group.segments:
                return group.segments[segment][0]
        return "Something else entirely"

    def lead(self, segment: str = "agency", **changed: Any) -> Lead:
        stated: dict[str, Any] = {
            "lead_id": "L-" + "ab" * 10,
            "dedupe_key": "ana@brightwater.example",
            "email": "ana@brightwater.example",
            "first_name": "Ana",
            "last_name": "Ruiz",
            "title": "Founder & CEO",
            "company": "Brightwater Digital, Inc.",
            "domain": "brightwater.example",
            "country": "US",
            "industry": self.industry(segment),
        }
        return Lead(**stated | changed)

    def fact(self, value: FactValue, *, days: float = 3, **changed: Any) -> Fact:
        stated: dict[str, Any] = {
            "value": value,
            "source": "clay",
            "url": "https://data.example/record",
            "fetched_at": self.now - timedelta(days=days),
            "ttl_days": 90,
            "confidence": 0.9,
        }
        return Fact(**stated | changed)

    def news(self, title: str = HEADLINE, **changed: Any) -> NewsItem:
        stated: dict[str, Any] = {
            "title": title,
            "url": "https://news.example/story",
            "publisher": "The Northern Ledger",
            "published_at": self.now - timedelta(days=6),
            "fetched_at": self.now - timedelta(minutes=5),
            "source": "google_news",
        }
        return NewsItem(**stated | changed)

    def write(
        self,
        lead: Lead | None = None,
        *,
        news: tuple[NewsItem, ...] = (),
        segment: str = "agency",
        persona: str = "founder",
        step: int = 1,
        facts: dict[str, Fact] | None = None,
        **dossier: Any,
    ) -> Drafted:
        research = Research(
            news=news, competitor=CompetitorFinding(is_competitor=False, why="not listed")
        )
        return self.service.write(
            WriteDraft(
                dossier=Dossier(
                    lead=lead or self.lead(segment), facts=facts or {}, research=research, **dossier
                ),
                qualification=Qualification(
                    score=80, tier=1, parts=(), segment=segment, persona=persona, icp_version="1"
                ),
                step=step,
            )
        )


@pytest.fixture(scope="session")
def config() -> Config:
    return load_config()


@pytest.fixture(scope="session")
def writer(config: Config) -> Writer:
    return Writer(compose(config, SANDBOX_SENDER, lambda: NOW, sandbox=True), config)
