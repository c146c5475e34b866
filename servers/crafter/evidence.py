"""What is known well enough to be written. Owns: from a dossier to evidence, or a refusal.

Evidence is one value with where it comes from. A value that is missing, stale, contradicted,
doubtful or unsafe gives a `Reason` instead; the reason names the field and never repeats the
value, because a refused value must not travel on (P9).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from guardrails.model import Dossier, FactName, FactValue, NewsItem, Reason
from guardrails.policy.case import utc
from servers.crafter import agreement, wording
from servers.crafter.phrases import Phrases
from servers.crafter.safety import is_latin, is_name, unsafe

MIN_CONFIDENCE = 0.5
_SKEW = timedelta(hours=1)  # as the gate's claim rule: machines' clocks differ
_SCREENED = 500  # characters of a headline; a longer one is refused
_MOOD = ("hiring", "funding", "news")  # openers that are out of place beside bad news
_FORMS = {"company": "company", "title": "title", "industry": "title", "funding": "title"}


@dataclass(frozen=True, slots=True)
class Evidence:
    """One known value. `shown` is how it may be said; `value` is how it was fetched."""

    fact: str
    value: FactValue
    source: str
    url: str | None
    fetched_at: datetime
    ttl_days: int
    confidence: float = 1.0
    shown: str | tuple[str, ...] = ""


@dataclass(frozen=True)
class EvidenceRules:
    """What decides whether a value may be used; made once from config/."""

    phrases: Phrases
    ttl_days: Mapping[str, int]
    news_max_age_days: int
    segment_of: Callable[[str], str | None]
    legal_forms: frozenset[str]


class Evidences:
    """The evidence of one dossier at one instant; each fact is judged once."""

    def __init__(self, dossier: Dossier, segment: str, now: datetime, rules: EvidenceRules) -> None:
        self._dossier = dossier
        self._segment = segment
        self._now = now
        self._rules = rules
        self._known: dict[str, Evidence | Reason] = {}

    def get(self, name: str) -> Evidence | Reason:
        """The evidence for a fact or for `news`; or why there is none."""
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = self._judge(name)
        return found

    def sources(self) -> set[str]:
        """Where the facts about this lead come from, without a cache's prefix."""
        named = {fact.source.removeprefix("cache:") for fact in self._dossier.facts.values()}
        return named | {self._dossier.lead.source}

    def _judge(self, name: str) -> Evidence | Reason:
        if name in _MOOD and self._bad_news():
            return _no("news_sensitive", name, "recent news about the company is sensitive")
        if name == "news":
            return self._news()
        found = self._stated(cast(FactName, name))
        if isinstance(found, Reason):
            return found
        age = self._now - utc(found.fetched_at)
        if age > timedelta(days=found.ttl_days) or age < -_SKEW:
            return _no("evidence_stale", name, f"older than {found.ttl_days} days, or from ahead")
        if found.confidence < MIN_CONFIDENCE:
            return _no("evidence_low_confidence", name, f"confidence {found.confidence:.2f} < 0.5")
        return self._sayable(found)

    def _stated(self, name: FactName) -> Evidence | Reason:
        lead, fact = self._dossier.lead, self._dossier.facts.get(name)
        row = getattr(lead, name, None)
        ttl = self._rules.ttl_days.get(name, 0)
        fetched = None
        if fact is not None:
            fetched = Evidence(
                name, fact.value, fact.source, fact.url, fact.fetched_at,
                min(fact.ttl_days, ttl), fact.confidence,
            )  # fmt: skip
        if row is None or row == "" or row == ():
            return fetched or _no("evidence_missing", name, "nothing is known")
        if fetched is not None and self._speaks(fetched):
            if self._differ(name, row, fetched.value):
                return _no("evidence_contradicted", name, f"the row and {fetched.source} disagree")
            return fetched
        if fetched is not None and fetched.value != row:
            # A doubtful source cannot overrule the row, and the row alone is disputed.
            return _no(
                "evidence_contradicted", name, f"an old or doubtful {fetched.source} differs"
            )
        seen = lead.seen_at if lead.source == "rb2b" or name == "pages_seen" else None
        return Evidence(name, row, lead.source, None, seen or self._now, ttl)

    def _speaks(self, found: Evidence) -> bool:
        fresh = self._now - utc(found.fetched_at) <= timedelta(days=found.ttl_days)
        return fresh and found.confidence >= MIN_CONFIDENCE

    def _differ(self, name: str, row: FactValue, other: FactValue) -> bool:
        if name == "industry":
            return agreement.segments_differ(str(row), str(other), self._rules.segment_of)
        return agreement.differ(name, str(row), str(other), self._rules.legal_forms)

    def _sayable(self, found: Evidence) -> Evidence | Reason:
        """The value as words, if it can be said safely."""
        name, value = found.fact, found.value
        if name == "pages_seen":
            seen = type(value) is int and value > 0
            return found if seen else _no("evidence_missing", name, "no visit is recorded")
        if name in ("hiring", "technologies"):
            return self._names(found)
        if not isinstance(value, str):
            return _no("evidence_unsafe", name, "not a text")
        if name == "first_name":
            return self._first_name(found, value.strip())
        form = _FORMS.get(name, "word")
        why = unsafe(value, form, dotted=name == "company")
        if why is None:
            shown = self._say(name, value.strip())
            why = unsafe(shown, form) if shown else "cannot be said"
        if why or not shown:
            return _no("evidence_unsafe", name, f"its text {why}")
        if name == "industry" and self._rules.segment_of(shown) != self._segment:
            return _no("evidence_contradicted", name, "it does not map to the lead's segment")
        return replace(found, shown=shown)

    def _first_name(self, found: Evidence, text: str) -> Evidence | Reason:
        wrong = (
            unsafe(text, "word")
            or not is_name(text)
            or text.casefold() in self._rules.phrases.not_names
        )
        if wrong or (text.isascii() and len(text) < 2):
            return _no("name_unsafe", found.fact, "not usable as a name in a greeting")
        return replace(found, shown=wording.first_name(text))

    def _say(self, name: str, text: str) -> str | None:
        if name == "company":
            return wording.company_name(text, self._rules.legal_forms)
        if name == "title":
            return wording.title(text)
        if name == "funding":
            return self._funding_round(text)
        return " ".join(text.split())

    def _funding_round(self, text: str) -> str | None:
        """`Series A` or `seed round`; amounts are left out, unknown kinds cannot be said."""
        kind = text.partition(",")[0].strip().casefold().removesuffix(" round")
        if kind not in self._rules.phrases.funding_rounds:
            return None
        return kind.title() if kind.startswith("series") else f"{kind} round"

    def _names(self, found: Evidence) -> Evidence | Reason:
        values = (found.value,) if isinstance(found.value, str) else found.value
        if not isinstance(values, tuple):
            return _no("evidence_unsafe", found.fact, "not a list of names")
        for value in values:
            why = unsafe(value, "title", dotted=found.fact == "technologies")
            if why:
                return _no("evidence_unsafe", found.fact, f"one of its names {why}")
        clean = wording.role if found.fact == "hiring" else str.strip
        shown = dict.fromkeys(name for name in map(clean, values) if not unsafe(name, "word"))
        names = tuple(name for name in shown if name)
        if not names:
            return _no("evidence_unsafe", found.fact, "none of its names can be said safely")
        return replace(found, shown=names)

    def _bad_news(self) -> bool:
        found = self._known.get("bad_news")
        if found is None:
            bad = any(
                self._rules.phrases.sensitive.search(item.title[:_SCREENED])
                for item in self._items()
            )
            found = self._known["bad_news"] = _no("bad_news" if bad else "ok", "news", "")
        return isinstance(found, Reason) and found.code == "bad_news"

    def _items(self) -> tuple[NewsItem, ...]:
        research = self._dossier.research
        return research.news if research else ()

    def _news(self) -> Evidence | Reason:
        dated = [(utc(item.published_at), item) for item in self._items() if item.published_at]
        dated.sort(key=lambda pair: (pair[0], pair[1].url), reverse=True)
        refusal: Reason | None = None
        for published_at, item in dated:
            found = self._headline(item, published_at)
            if isinstance(found, Evidence):
                return found
            refusal = refusal or found
        return refusal or _no("evidence_missing", "news", "no dated headline is known")

    def _headline(self, item: NewsItem, published_at: datetime) -> Evidence | Reason:
        ttl = self._rules.ttl_days.get("news", 0)
        age, fetched = self._now - published_at, self._now - utc(item.fetched_at)
        oldest = timedelta(days=self._rules.news_max_age_days)
        if age > oldest or fetched > timedelta(days=ttl) or min(age, fetched) < -_SKEW:
            return _no("evidence_stale", "news", "the headline is too old")
        why = unsafe(item.title, "headline") or unsafe(
            item.publisher or "", "publisher", dotted=True
        )
        if why:
            return _no("evidence_unsafe", "news", f"the headline {why}")
        if not is_latin(item.title):
            return _no("news_language", "news", "a headline in this script cannot be screened")
        company = self.get("company")
        if isinstance(company, Reason) or not agreement.mentions(item.title, str(company.shown)):
            return _no("news_unrelated", "news", "the headline does not name the company")
        named = not unsafe(item.publisher or "", "publisher")  # a web address is not repeated
        shown = wording.headline(item.title, item.publisher if named else None)
        return Evidence("news", item.title, item.source, item.url, item.fetched_at, ttl, 1.0, shown)


def _no(code: str, name: str, text: str) -> Reason:
    return Reason(code=code, text=f"{name}: {text}.", field=name)
