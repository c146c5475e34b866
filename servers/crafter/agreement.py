"""Whether two statements about the same thing agree. Owns: what a material difference is.

Wording differs between sources all the time (CEO, Chief Executive Officer); only a difference
that would make an e-mail wrong counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from servers.crafter import wording

_LOOKED_AT = 200  # characters; longer texts are refused as evidence anyway
_WORD = re.compile(r"[^\W_]+")
_TITLE_GROUPS = (
    (re.compile(r"\b(?:s|e|a)?vp\b|\b(?:senior |executive )?vice president\b"), " vp "),
    (re.compile(r"\bchief (\w)\w* officer\b"), r" c\1o "),
    (re.compile(r"\b(?:ceo|(?:co-?)?founder|owner|president|principal|managing (?:director|partner)"
                r"|general manager|proprietor)\b"), " head "),
)  # fmt: skip
_EMPTY = {
    "of",
    "and",
    "the",
    "for",
    "at",
    "in",
    "global",
    "senior",
    "sr",
    "jr",
    "interim",
    "acting",
}
_GENERIC = {"the", "group", "global", "national", "first", "new", "north", "south", "east", "west"}


def differ(name: str, row: str, other: str, legal_forms: frozenset[str]) -> bool:
    """Whether a row and a source differ materially about `name`; False for facts that add up."""
    row, other = row[:_LOOKED_AT], other[:_LOOKED_AT]
    if name == "title":
        return _titles_differ(row, other)
    if name == "company":
        return _companies_differ(row, other, legal_forms)
    if name in ("first_name", "last_name"):
        return _folded(row)[:1] != _folded(other)[:1]
    return name == "country" and _folded(row) != _folded(other)


def segments_differ(row: str, other: str, segment_of: Callable[[str], str | None]) -> bool:
    """Whether two industry words name two different segments; an unknown word contradicts none."""
    ours, theirs = segment_of(row[:_LOOKED_AT]), segment_of(other[:_LOOKED_AT])
    return None not in (ours, theirs) and ours != theirs


def mentions(text: str, company: str) -> bool:
    """Whether a headline names the company: its first telling word, as a whole word."""
    words = [word for word in _WORD.findall(company.casefold()) if word not in _GENERIC]
    return bool(words) and words[0] in _WORD.findall(text.casefold())


def _titles_differ(row: str, other: str) -> bool:
    ours, theirs = _title_words(row), _title_words(other)
    if not ours or not theirs:
        return False
    return len(ours & theirs) * 2 <= min(len(ours), len(theirs)) and ours != theirs


def _title_words(text: str) -> set[str]:
    plain = _folded(text)
    for pattern, group in _TITLE_GROUPS:
        plain = pattern.sub(group, plain)
    return set(_WORD.findall(plain)) - _EMPTY


def _companies_differ(row: str, other: str, legal_forms: frozenset[str]) -> bool:
    ours = _folded(wording.company_name(row, legal_forms) or row)
    theirs = _folded(wording.company_name(other, legal_forms) or other)
    ours, theirs = ("".join(_WORD.findall(name)) for name in (ours, theirs))
    return not (ours.startswith(theirs) or theirs.startswith(ours))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
