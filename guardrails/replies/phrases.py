"""Phrases over normalised words. Owns: the normal form of a text, misspellings, and matching.

The normal form is lower-case words without accents, apostrophes and hyphens, one space apart, with
` . ` between sentences. Refuses regular expressions from configuration: every phrase is bounded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_ADDRESS = re.compile(r"[^\s@]{1,80}@[^\s@]{1,255}")
_LINK = re.compile(r"(?:https?://|www\.)\S+")
_QUOTE_MARKS = re.compile(r"['’‘`´]")
_EMAIL = re.compile(r"\be-(?=mail)")
_ENDS = re.compile(r"[.!?;:…¡¿]+|\n\s*\n")
_NO_WORD = re.compile(r"[^\w. ]+|_+")
_SPACES = re.compile(r"\s+")
_STOPS = re.compile(r"(?: \.)+ ")
_SHORT_LINE = 50  # a shorter line was ended by a person, a longer one by a mail program
_SPECIAL = {
    "^": r"(?<= \. )",  # a sentence begins
    "$": r"(?=\. )",  # it ends
    "...": r"(?:[^ .]+ ){0,3}?",  # up to three words
}
_SHORTEST_TYPO = 7
_FORGIVING = 10


def folded(text: str) -> str:
    """`text` in lower case, without accents, invisible characters and typographic variants."""
    wide = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(char for char in wide if unicodedata.category(char) not in ("Mn", "Cf"))


def plain(text: str) -> str:
    """Words and sentence ends of `text`; begins and ends with ` . `."""
    line = _QUOTE_MARKS.sub("", folded(text))
    line = _EMAIL.sub("e", _LINK.sub(" ", _ADDRESS.sub(" ", line)))
    line = _NO_WORD.sub(" ", _ENDS.sub(" . ", line))
    return _STOPS.sub(" . ", f" . {_SPACES.sub(' ', line)} . ".replace("  ", " "))


def sentences(text: str) -> str:
    """As `plain`, with a sentence end also where a person ended a line."""
    lines = text.splitlines()
    return plain("\n".join(f"{one}." if len(one) < _SHORT_LINE else one for one in lines))


class PhraseSet:
    """Phrases that are looked for together, in one pass."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._phrases = tuple(phrases)
        self._any = re.compile("|".join(f"({_source(phrase)})" for phrase in self._phrases))

    def first(self, text: str) -> str | None:
        """The phrase that the normalised `text` holds first."""
        found = self._any.search(text)
        return self._phrases[found.lastindex - 1] if found and found.lastindex else None

    def without(self, text: str) -> str:
        """`text` with every match taken out."""
        return self._any.sub(" . ", text)


class Spelling:
    """Brings variants of a word to one form: rewrites by rule, misspellings by distance."""

    def __init__(
        self, rewrites: Iterable[tuple[str, str]], words: Iterable[str], never: Iterable[str]
    ) -> None:
        pairs = ((plain(was), plain(new)) for was, new in rewrites)
        self._rewrites = {was.strip(" ."): new.strip(" .") for was, new in pairs}
        alternatives = "|".join(map(re.escape, sorted(self._rewrites, key=len, reverse=True)))
        self._any = re.compile(rf"(?<= )(?:{alternatives})(?= )") if alternatives else None
        self._words = tuple(folded(word) for word in words)
        self._never = frozenset(folded(word) for word in never) | frozenset(self._words)

    def mended(self, text: str) -> str:
        """The normalised `text` in one spelling."""
        if self._any is not None:
            text = self._any.sub(lambda found: self._rewrites[found.group()], text)
        known: dict[str, str] = {}
        return " ".join(
            known[token] if token in known else known.setdefault(token, self._word(token))
            for token in text.split(" ")
        )

    def _word(self, token: str) -> str:
        if len(token) < _SHORTEST_TYPO or token in self._never:
            return token
        for word in self._words:
            allowed = 2 if len(word) >= _FORGIVING else 1
            if abs(len(word) - len(token)) <= allowed and _distance(token, word) <= allowed:
                return word
        return token


def _source(phrase: str) -> str:
    parts = ["(?<= )"]
    for piece in phrase.split():
        if piece in _SPECIAL:
            parts.append(_SPECIAL[piece])
            continue
        words = "|".join(
            re.escape(folded(word.removesuffix("*"))) + (r"[^ .]*" if word[-1] == "*" else "")
            for word in piece.removesuffix("?").split("|")
        )
        parts.append(f"(?:(?:{words}) )" + ("?" if piece[-1] == "?" else ""))
    return "".join(parts)


def _distance(one: str, other: str) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours that make one the other."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, left in enumerate(one, start=1):
        line = [row]
        for column, right in enumerate(other, start=1):
            best = min(last[column] + 1, line[column - 1] + 1, last[column - 1] + (left != right))
            swapped = row > 1 and column > 1 and left == other[column - 2]
            if swapped and one[row - 2] == right:
                best = min(best, before[column - 2] + 1)
            line.append(best)
        before, last = last, line
    return last[-1]
