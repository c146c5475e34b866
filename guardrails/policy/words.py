"""Text and domains as the rules compare them. Owns: normal forms, phrase lists, domain lists.

Rules compare what a reader would see: compatibility forms, curly quotes, invisible characters and
runs of white space are folded first. Refuses to repeat a personal e-mail address in a reason.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from guardrails.errors import BadInput
from guardrails.identity import normalise_domain

MAX_TEXT = 20_000  # characters of a text that are looked at; content limits are far below
_FOLD = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201b\u02bc", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013", "-"),
        "\u3002": ".",
        # invisible: a word broken by them still reads as the word
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", None),
    }
)
EMAIL = re.compile(r"[\w.+%'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+")


def fold(text: str) -> str:
    """`text` as it reads: compatibility characters, quotes and white space folded, case kept."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text[:MAX_TEXT]).translate(_FOLD)
    return " ".join(text[:MAX_TEXT].split())


def read_whole(text: str) -> bool:
    """Whether `fold` looks at all of `text`: what stands behind its bound no rule has seen."""
    return len(text) <= MAX_TEXT and (
        text.isascii() or len(unicodedata.normalize("NFKC", text)) <= MAX_TEXT
    )


def plain(text: str) -> str:
    """`fold`, without case."""
    return fold(text).casefold()


def phrases(items: Iterable[str]) -> re.Pattern[str]:
    """Matches any of `items` as whole words in text that went through `plain`."""
    folded = sorted({plain(item) for item in items}, key=lambda item: (-len(item), item))
    if not folded:
        return re.compile(r"(?!)")
    joined = "|".join(re.escape(item) for item in folded)
    return re.compile(rf"(?<![\w-])(?:{joined})(?![\w-])")


def scrub(text: str, limit: int = 400) -> str:
    """`text` fit for a recorded reason: no e-mail address, no control characters, bounded."""
    if "@" in text:
        text = EMAIL.sub("[address]", text)
    if not text.isprintable():
        text = _CONTROL.sub(" ", text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


@lru_cache(maxsize=65536)
def ascii_domain(text: str) -> str | None:
    """`text` as a lower-case ASCII domain, or None when it is not one."""
    try:
        return normalise_domain(text)
    except BadInput:
        return None


class DomainList:
    """A list of domains that also covers everything below each of them."""

    def __init__(self, domains: Iterable[str]) -> None:
        self._listed = frozenset(filter(None, (ascii_domain(domain) for domain in domains)))

    def hit(self, domain: str) -> str | None:
        """The listed domain that is `domain` (already ASCII) or above it."""
        rest = domain
        while rest:
            if rest in self._listed:
                return rest
            rest = rest.partition(".")[2]
        return None


class SuffixList:
    """Institutional suffixes: `gov`, `nhs.uk`, or `ac.*` where `*` is a country's two letters.

    In `*` the reserved names of RFC 2606 count as countries, so that samples can be invented.
    """

    _RESERVED = frozenset({"example", "test", "invalid"})

    def __init__(self, suffixes: Iterable[str]) -> None:
        self._listed = {
            tuple(reversed(suffix.strip().lower().lstrip(".").split("."))): suffix
            for suffix in suffixes
        }

    def hit(self, domain: str) -> str | None:
        """The suffix that `domain` (already ASCII) ends in."""
        labels = tuple(domain.split(".")[::-1])
        last = labels[0]
        country = (len(last) == 2 and last.isalpha()) or last in self._RESERVED
        for size in range(1, len(labels) + 1):
            found = self._listed.get(labels[:size])
            if found is None and country and size < len(labels):
                found = self._listed.get(("*", *labels[1:size]))
            if found is not None:
                return found
        return None
