"""How well a lead fits. Owns: the ICP score, its arithmetic, tier, segment and persona.

Pure and total: the same dossier and ICP give the same answer, and no dossier raises. Unknown
data scores 0 and is listed; nothing is guessed. A value of the row counts before a fact from
enrichment, which fills only what the row leaves empty. Whether a lead may be contacted at all
is not decided here but by policy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from guardrails.config.models import Icp, IndustryGroup
from guardrails.model import Dossier, Fact, FactName, FactValue, Qualification, ScorePart
from orchestrator.qualification_titles import TitleMatch, match_title
from orchestrator.qualification_words import best_phrase, find_phrase, phrase_words, words

OTHER = "other"
_TIER_KEYS: dict[int, Literal["1", "2", "3", "other"]] = {1: "1", 2: "2", 3: "3"}
_INTENT: tuple[Literal["pages_seen", "hiring", "funding", "news"], ...] = (
    "pages_seen", "hiring", "funding", "news",
)  # fmt: skip


@dataclass(frozen=True)
class _Known:
    """A value and where it stands."""

    value: FactValue
    source: str


@dataclass(frozen=True)
class _Scored:
    """One line of the score, and whether anything was known for it."""

    part: ScorePart
    known: bool


def qualify(dossier: Dossier, icp: Icp) -> Qualification:
    """The ICP score of a dossier: points by part, multiplier, cap at 100, tier.

    Returns:
        score 0 to 100 (halves round up), tier 1 to 4, the parts with reasons, the multiplier by
        seniority and industry tier, and the inputs that were unknown.
    """
    title, title_line = _title(dossier, icp)
    industry, segment, industry_line = _industry(dossier, icp)
    intent, unknown_intent = _intent(dossier, icp)
    lines = (_size(dossier, icp), title_line, industry_line, _technology(dossier, icp))
    parts = (*(line.part for line in lines), intent)
    multiplier = _multiplier(title, industry, icp)
    total = sum(part.points for part in parts) * multiplier
    score = max(0, min(100, math.floor(total + 0.5)))
    unknown = [line.part.name for line in lines if not line.known]
    return Qualification(
        score=score,
        tier=_tier(score, icp),
        parts=parts,
        multiplier=multiplier,
        unknown=(*unknown, *unknown_intent),
        segment=segment,
        persona=title.group.persona if title else OTHER,
        icp_version=icp.version,
    )


def _size(dossier: Dossier, icp: Icp) -> _Scored:
    most = max((band.points for band in icp.size_bands), default=0)
    known = _value(dossier, "employee_count", dossier.lead.employee_count)
    count = _as_count(known.value) if known else None
    if known is None or count is None:
        return _part("employee_count", 0, most, "unknown head count", known=False)
    for band in icp.size_bands:
        if count >= band.min and (band.max is None or count <= band.max):
            limits = f"{band.min}-{band.max}" if band.max is not None else f"{band.min} or more"
            why = f"{count} employees ({known.source}) lie in the band {limits}"
            return _part("employee_count", band.points, most, why)
    return _part("employee_count", 0, most, f"{count} employees ({known.source}): no band")


def _title(dossier: Dossier, icp: Icp) -> tuple[TitleMatch | None, _Scored]:
    most = max((group.points for group in icp.titles), default=0)
    known = _value(dossier, "title", dossier.lead.title)
    if known is None:
        return None, _part("title", 0, most, "unknown job title", known=False)
    match = match_title(str(known.value), icp.titles)
    if match is None:
        return None, _part("title", 0, most, f"the title ({known.source}) is in no title group")
    why = f"the title ({known.source}) matches {match.keyword!r}: {match.group.persona}"
    return match, _part("title", match.group.points, most, why)


def _industry(dossier: Dossier, icp: Icp) -> tuple[IndustryGroup | None, str, _Scored]:
    most = max((group.points for group in icp.industries), default=0)
    known = _value(dossier, "industry", dossier.lead.industry)
    if known is None:
        return None, OTHER, _part("industry", 0, most, "unknown industry", known=False)
    groups = sorted(icp.industries, key=lambda group: group.tier)
    vocabulary = {
        segment: (*phrases, segment.replace("_", " "))
        for group in groups
        for segment, phrases in group.segments.items()
    }
    found = best_phrase(str(known.value), vocabulary)
    if found is None:
        why = f"the industry ({known.source}) is none of the ICP's"
        return None, OTHER, _part("industry", 0, most, why)
    segment, phrase = found
    group = next(group for group in groups if segment in group.segments)
    why = f"the industry ({known.source}) says {phrase!r}: {segment}, tier {group.tier}"
    return group, segment, _part("industry", group.points, most, why)


def _technology(dossier: Dossier, icp: Icp) -> _Scored:
    """Row and enrichment together: knowing a tool from one does not unknow another's."""
    names = list(dossier.lead.technologies)
    sources: list[str] = [dossier.lead.source] if names else []
    fact = dossier.facts.get("technologies")
    if fact is not None and (stated := _as_names(fact.value)):
        names += stated
        sources.append(fact.source)
    if not names:
        return _part("technologies", 0, icp.technology_max, "unknown technologies", known=False)
    used = [words(name) for name in names]
    points, found = 0, []
    for kind, phrases in icp.technology_words.items():
        hit = next(
            (
                phrase
                for phrase in phrases
                if any(find_phrase(name, phrase_words(phrase)) is not None for name in used)
            ),
            None,
        )
        if hit is not None:
            points += icp.technology_points.get(kind, 0)
            found.append(f"{kind}: {hit}")
    where = ", ".join(dict.fromkeys(sources))
    why = f"{'; '.join(found) or 'none that counts'} ({where})"
    return _part("technologies", min(points, icp.technology_max), icp.technology_max, why)


def _intent(dossier: Dossier, icp: Icp) -> tuple[ScorePart, tuple[str, ...]]:
    points, why, unknown = 0, [], []
    for name in _INTENT:
        sign = _news(dossier) if name == "news" else _sign(dossier, name)
        if sign is None:
            unknown.append(name)
        elif sign:
            points += icp.intent_points.get(name, 0)
            why.append(f"{name} ({sign})")
    text = f"signs of interest: {', '.join(why)}" if why else "no sign of interest known"
    line = _part("intent", min(points, icp.intent_max), icp.intent_max, text)
    return line.part, tuple(unknown)


def _sign(dossier: Dossier, name: Literal["pages_seen", "hiring", "funding"]) -> str | None:
    """The source of a sign, empty when it is known to be absent, None when unknown."""
    row = dossier.lead.pages_seen if name == "pages_seen" else None
    known = _value(dossier, name, row)
    if known is None:
        return None
    count = _as_count(known.value) if name == "pages_seen" else len(_as_names(known.value))
    return known.source if count else ""


def _news(dossier: Dossier) -> str | None:
    research = dossier.research
    if research is None:
        return None
    if research.news:
        return ", ".join(dict.fromkeys(item.source for item in research.news))
    answered = any(state in ("ok", "empty") for state in research.sources.values())
    return "" if answered else None


def _multiplier(title: TitleMatch | None, industry: IndustryGroup | None, icp: Icp) -> float:
    if title is None or title.group.seniority not in ("c_level", "vp"):
        return 1.0
    key = _TIER_KEYS.get(industry.tier, "other") if industry else "other"
    return icp.multipliers.get(title.group.seniority, {}).get(key, 1.0)


def _tier(score: int, icp: Icp) -> int:
    reached = [int(tier) for tier, least in icp.tiers.items() if score >= least]
    return min(reached, default=4)


def _value(dossier: Dossier, name: FactName, row: str | int | None) -> _Known | None:
    """The row's value, else the fact's."""
    if row is not None and row != "":
        return _Known(row, dossier.lead.source)
    fact: Fact | None = dossier.facts.get(name)
    return _Known(fact.value, fact.source) if fact is not None and fact.value != "" else None


def _as_count(value: FactValue) -> int | None:
    """A whole number of things, or None when the value is not one (a range, a word, NaN)."""
    if isinstance(value, (bool, tuple)):
        return None
    try:
        number = float(str(value).replace(",", ""))
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number >= 0 else None


def _as_names(value: FactValue) -> Sequence[str]:
    if isinstance(value, tuple):
        return tuple(name for name in value if name)
    return (value,) if isinstance(value, str) and value else ()


def _part(name: str, points: int, of: int, why: str, *, known: bool = True) -> _Scored:
    return _Scored(ScorePart(name=name, points=points, of=of, why=why), known)
