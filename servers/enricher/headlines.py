"""Whether a headline is about a company. Owns: company names as words, and the test for a mention.

Search engines match loosely, and quoting another company's news is worse than quoting none. So a
headline counts only when it holds the company's own name as whole words, and not as a part of a
longer name ("Harbor Labs" is not "Harbor", "Blue Harbor" is not "Harbor"). Refuses names too
short to mean one company. Some true mentions are lost by this; that is the intended side.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_LEGAL = frozenset(
    {
        "inc", "incorporated", "llc", "ltd", "limited", "corp", "corporation", "co", "company",
        "gmbh", "ag", "sa", "sas", "sarl", "srl", "spa", "bv", "nv", "plc", "llp", "lp", "pty",
        "ab", "oy", "oyj", "aps", "kg", "pvt", "pte", "kk",
    }
)  # fmt: skip
# A word after the name that makes it the name of somebody else.
_EXTENDERS = frozenset(
    {
        "advisors", "advisory", "agency", "air", "analytics", "associates", "bancorp", "bank",
        "bio", "biotech", "brands", "builders", "capital", "city", "clinic", "club", "college",
        "commerce", "communications", "construction", "consulting", "county", "creative",
        "design", "digital", "dynamics", "education", "electric", "energy", "engineering",
        "entertainment", "equity", "finance", "financial", "foods", "foundation", "freight",
        "fund", "gaming", "global", "group", "health", "healthcare", "holdings", "homes",
        "hospital", "hotel", "hotels", "industries", "insurance", "international", "investments",
        "labs", "law", "legal", "logistics", "management", "manufacturing", "marketing", "media",
        "medical", "mining", "motors", "music", "networks", "oil", "outfitters", "park",
        "partners", "pharma", "pharmaceuticals", "pictures", "power", "press", "properties",
        "realty", "records", "research", "resources", "retail", "robotics", "school", "sciences",
        "security", "services", "software", "solutions", "sports", "staffing", "steel", "studio",
        "studios", "systems", "talent", "tech", "technologies", "technology", "therapeutics",
        "university", "ventures", "works",
    }
)  # fmt: skip
# Capitalised words that may stand before a name without being part of it.
_OPENERS = frozenset(
    {
        "a", "about", "after", "agency", "an", "and", "as", "at", "behind", "breaking", "but",
        "by", "ceo", "cfo", "company", "consultancy", "coo", "cto", "exclusive", "firm", "for",
        "former", "founder", "from", "has", "how", "in", "inside", "interview", "is", "maker",
        "meet", "new", "of", "on", "or", "report", "startup", "that", "the", "to", "update",
        "via", "was", "watch", "when", "where", "why", "will", "with",
    }
)  # fmt: skip
_SHORTEST_SINGLE = 4


@dataclass(frozen=True)
class CompanyName:
    """A company's name as folded words, without its legal form."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> CompanyName:
        """The words of `text`; without the legal form unless that is all there is."""
        words = [_fold(match.group()) for match in _WORD.finditer(_plain(text))]
        kept = list(words)
        while len(kept) > 1 and kept[-1] in _LEGAL:
            kept.pop()
        return cls(tuple(kept))

    @property
    def distinctive(self) -> bool:
        """Whether the name alone can mean one company."""
        if len(self.words) == 1:
            return len(self.words[0]) >= _SHORTEST_SINGLE and not self.words[0].isdigit()
        return bool(self.words) and self.words != ("the", self.words[-1])

    def in_headline(self, title: str) -> bool:
        """Whether `title` names this company."""
        plain = _plain(title)
        tokens = list(_WORD.finditer(plain))
        folded = [_fold(token.group()) for token in tokens]
        size = len(self.words)
        for start in range(len(tokens) - size + 1):
            words = tuple(folded[start : start + size])
            here = words == self.words or (
                words[:-1] == self.words[:-1] and words[-1] == self.words[-1] + "s"
                and tokens[start + size - 1].group()[-2:-1] in "'’"
            )  # fmt: skip
            if here and self._stands_alone(plain, tokens, start):
                return True
        return False

    def _stands_alone(self, title: str, tokens: list[re.Match[str]], start: int) -> bool:
        first, last = tokens[start], tokens[start + len(self.words) - 1]
        if len(self.words) == 1 and first.group()[0].islower():
            return False  # a common noun, not a name
        if title[last.end() : last.end() + 1] in ("-", "‑", "."):
            after = title[last.end() + 1 : last.end() + 2]
            if after.isalnum():
                return False  # "Harbor-backed", "harbor.io"
        if start + len(self.words) < len(tokens):
            following = tokens[start + len(self.words)]
            gap = title[last.end() : following.start()]
            if gap.isspace() and _fold(following.group()) in _EXTENDERS:
                return False
        return start == 0 or self._free_before(title, tokens[start - 1], first)

    def _free_before(self, title: str, before: re.Match[str], first: re.Match[str]) -> bool:
        gap = title[before.end() : first.start()]
        if gap in ("-", "‑", ".", "@", "&", " & "):
            return False
        word = before.group()
        return (
            not gap.isspace()
            or not word[0].isupper()
            or _fold(word) in _OPENERS
            or word.endswith(("'s", "’s"))
        )


def spoken_name(text: str) -> str:
    """`text` as the press writes it: without quotes and the legal form at its end."""
    plain = " ".join(text.replace('"', " ").replace("\\", " ").split())
    tokens = list(_WORD.finditer(plain))
    while len(tokens) > 1 and _fold(tokens[-1].group()) in _LEGAL:
        plain = plain[: tokens.pop().start()].rstrip(" ,.-&(")
    return plain


def story_key(title: str) -> str:
    """What two reports of one story have in common: the words, in any case and punctuation."""
    return " ".join(_fold(match.group()) for match in _WORD.finditer(_plain(title)))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _fold(word: str) -> str:
    return word.casefold().replace("'", "").replace("’", "")
