"""Whole-word matching for titles, industries and technologies. Owns: what a word is.

Pure; never raises on any text. Long texts are cut: nobody's job title has 60 words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+")
_DOTTED = re.compile(r"\b(?:[^\W\d_]\.){2,}")
_MAX_TEXT = 400
_MAX_WORDS = 60
Words = tuple[str, ...]


def plain(text: str) -> str:
    """Case, accents and width folded; `C.E.O.` becomes `ceo`, `founder's` becomes `founder`."""
    folded = unicodedata.normalize("NFKD", text[:_MAX_TEXT]).casefold()
    folded = "".join(char for char in folded if not unicodedata.combining(char))
    folded = _DOTTED.sub(lambda match: match.group().replace(".", ""), folded)
    return re.sub(r"['\u2019]s\b", "", folded)


def words(text: str) -> Words:
    """The words of a text, in order."""
    return tuple(_WORD.findall(plain(text)))[:_MAX_WORDS]


@lru_cache(maxsize=4096)
def phrase_words(phrase: str) -> Words:
    """`words` of a phrase of the configuration, computed once."""
    return words(phrase)


def find_phrase(haystack: Words, phrase: Words) -> int | None:
    """Place of the last occurrence of `phrase` as adjacent words; None when absent."""
    size = len(phrase)
    for start in range(len(haystack) - size, -1, -1):
        if size and haystack[start : start + size] == phrase:
            return start
    return None


def best_phrase(text: str, vocabulary: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    """The name whose phrase stands in `text`, and that phrase.

    The longest phrase wins; among equals the one that ends last, because an English noun phrase
    ends in its head (`legal software` is software); among those the first listed.
    """
    found = words(text)
    present = frozenset(found)
    best: tuple[int, int] = (0, 0)
    answer: tuple[str, str] | None = None
    for name, phrases in vocabulary.items():
        for phrase in phrases:
            parts = phrase_words(phrase)
            if not present.issuperset(parts):
                continue
            place = find_phrase(found, parts)
            if place is not None and (len(parts), place + len(parts)) > best:
                best, answer = (len(parts), place + len(parts)), (name, phrase)
    return answer
