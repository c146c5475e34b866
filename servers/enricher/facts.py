"""How facts are made. Owns: what a fact's age limit and confidence are, and the row's own facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from guardrails.clock import Clock
from guardrails.model import Fact, FactName, Lead
from servers.enricher.values import fact_value

FACT_NAMES: frozenset[str] = frozenset(get_args(FactName))
# How far a source is believed, by how its data come about: stated by the row's owner, asked of a
# live system, matched by a vendor.
CONFIDENCE = {"csv": 0.9, "api": 0.9, "dns": 0.95, "clay": 0.85, "rb2b": 0.75}
_ROW_FIELDS: tuple[FactName, ...] = (
    "email", "first_name", "last_name", "title", "company", "domain", "industry",
    "employee_count", "country", "timezone", "city", "linkedin_url", "technologies", "pages_seen",
)  # fmt: skip


class FactMaker:
    """Makes facts with source, time, age limit and confidence; drops what is unknown."""

    def __init__(self, clock: Clock, ttl_days: Mapping[str, int], default_ttl_days: int) -> None:
        self._clock = clock
        self._ttl_days = ttl_days
        self._default = default_ttl_days

    def make(self, source: str, values: Mapping[FactName, Any]) -> dict[FactName, Fact]:
        """The known ones of `values` as facts of `source`, fetched now."""
        now = self._clock()
        facts: dict[FactName, Fact] = {}
        for name, raw in values.items():
            value = fact_value(name, raw)
            if value is not None:
                facts[name] = Fact(
                    value=value,
                    source=source,
                    url=value if name == "linkedin_url" and isinstance(value, str) else None,
                    fetched_at=now,
                    ttl_days=self._ttl_days.get(name, self._default),
                    confidence=CONFIDENCE[source],
                )
        return facts

    def of_row(self, lead: Lead) -> dict[FactName, Fact]:
        """What the lead's own row states, as of when the visitor was seen or now."""
        facts = self.make(lead.source, {name: getattr(lead, name) for name in _ROW_FIELDS})
        if lead.seen_at is None:
            return facts
        seen = min(lead.seen_at, self._clock())
        return {name: fact.model_copy(update={"fetched_at": seen}) for name, fact in facts.items()}
