"""Job titles. Owns: which title group of the ICP a title belongs to.

Keywords are sets of whole words within one clause (`vp sales` matches `VP of Sales` and `Sales
VP`); a longer keyword takes its words from shorter ones, so that a Vice President is no
President. What somebody used to be, hopes to be, or whom they assist is not what they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from guardrails.config.models import TitleGroup
from orchestrator.qualification_words import Words, find_phrase, plain, words

_ROLES = re.compile(r"[|;\n\u2022\u00b7!?]|(?<=\w\w)[.:]\s")
# A comma or dash does not part a role from its field: "Director, Sales".
_PARTS = re.compile(r"\band\b|[&+/()\[\]]")
_EMPLOYER = re.compile(r"(?:\bat\b|@).*", re.DOTALL)
_NOT_NOW = re.compile(
    r"\b(?:former(?:ly)?|ex|past|previous(?:ly)?|retired|aspiring|future|incoming|wannabe)\b"
    r".*?(?=,|\bnow\b|\bcurrent|$)",
    re.DOTALL,
)
_BEHIND = re.compile(r"\b(?:to|for|supporting|office of|on behalf of)\s.*", re.DOTALL)
_HELPERS = frozenset(
    {"assistant", "secretary", "intern", "internship", "trainee", "apprentice", "student"}
)


@dataclass(frozen=True)
class TitleMatch:
    """The group a title belongs to and the keyword that said so."""

    group: TitleGroup
    keyword: str
    rank: int


@dataclass(frozen=True)
class _Keyword:
    """`weight` is the number of words; a keyword about assisting outweighs all others."""

    words: Words
    text: str
    group: TitleGroup
    rank: int

    @property
    def ordered(self) -> bool:
        return not _HELPERS.isdisjoint(self.words)

    @property
    def weight(self) -> int:
        return len(self.words) + (100 if self.ordered else 0)


def match_title(title: str, groups: Sequence[TitleGroup]) -> TitleMatch | None:
    """The group of `title` with the most points, the first listed among equals; None for none.

    Never raises, whatever the text.
    """
    keywords = _keywords(tuple(groups))
    matches = [match for role in _roles(title) for match in _role_matches(role, keywords)]
    return max(matches, key=lambda match: (match.group.points, -match.rank), default=None)


def _roles(title: str) -> list[list[Words]]:
    """The roles a title states for today, each as the words of its parts."""
    roles = []
    for raw in _ROLES.split(plain(title)):
        own = _BEHIND.sub(" ", _NOT_NOW.sub(" ", _EMPLOYER.sub(" ", raw)))
        roles.append([found for part in _PARTS.split(own) if (found := words(part))])
    return roles


@lru_cache(maxsize=8)
def _keywords(groups: tuple[TitleGroup, ...]) -> tuple[_Keyword, ...]:
    """All keywords, the weightiest first, in the order of the configuration."""
    listed = [
        _Keyword(words(text), text, group, rank)
        for rank, group in enumerate(groups)
        for text in group.keywords
    ]
    return tuple(sorted(listed, key=lambda keyword: -keyword.weight))


def _role_matches(role: Sequence[Words], keywords: Sequence[_Keyword]) -> list[TitleMatch]:
    """Matches in all parts of a role; none when the role is helping somebody who has it."""
    matches: list[TitleMatch] = []
    for part in role:
        taken: dict[int, int] = {}  # place of a word to the weight of the keyword that took it
        present = set(part)
        for keyword in keywords:
            if not present.issuperset(keyword.words):
                continue
            places = _places(part, keyword, taken)
            if places:
                taken.update(dict.fromkeys(places, keyword.weight))
                matches.append(TitleMatch(keyword.group, keyword.text, keyword.rank))
        if any(word in _HELPERS and place not in taken for place, word in enumerate(part)):
            return []
    return matches


def _places(part: Words, keyword: _Keyword, taken: Mapping[int, int]) -> list[int] | None:
    """Where the keyword's words stand, unless a weightier keyword took one of them.

    `assistant vp` must stand so: in `VP Sales Assistant` it would name somebody else's job.
    """
    if keyword.ordered:
        start = find_phrase(part, keyword.words)
        return None if start is None else list(range(start, start + len(keyword.words)))
    places: list[int] = []
    for wanted in keyword.words:
        for place, word in enumerate(part):
            free = place not in places and taken.get(place, 0) <= keyword.weight
            if word == wanted and free:
                places.append(place)
                break
        else:
            return None
    return places
