"""How known things are said in English. Owns: names, titles, roles, lists, articles, headlines.

Pure text to text. Refuses to add anything: what comes out is the value, shortened or joined.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

COMPANY_MAX = 32
HEADLINE_MAX = 90
TITLE_LONG = 45
_SMALL = {"of", "and", "for", "the", "in", "at", "to", "on", "by", "a", "an", "&", "de", "und", "y"}
_ACRONYMS = {"ceo", "cto", "coo", "cfo", "cmo", "cro", "cio", "cpo", "ciso", "vp", "svp", "evp"}
_ACRONYMS |= {"hr", "it", "ai", "ml", "qa", "ux", "ui", "seo", "pr"}
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_BRACKETS = re.compile(r"\s*[(（\[].*?[)）\]]")
_TAGLINE = re.compile(r"\s+[-–—|:•·]\s+.*$|\s*[|•].*$")
_AT = re.compile(r"\s+at\s+.*$", re.IGNORECASE)
_TOP_LEVEL = re.compile(r"(?<=\w)\.(?:com|io|ai|co|net|org|app|dev|de|fr|eu|example|test)$", re.I)
_VOWEL_SOUND = re.compile(r"(?:[aeiou]|hour|honest|honou?r|heir)", re.I)
_CONSONANT_SOUND = re.compile(r"(?:uni(?!n|m)|us[aeiu]|eu|one\b|ur[aeiou]|ubiq|ufo)", re.I)
_LETTER_VOWEL = set("AEFHILMNORSX")
_AGENTS = re.compile(
    r"(?:er|or|ant|ist|ive|ian|ent|rep|lead|associate|intern|nurse|analyst)s$", re.I
)


def company_name(text: str, legal_forms: frozenset[str]) -> str | None:
    """A company as people say it: `Northwind Labs, Inc.` → `Northwind Labs`.

    Drops legal forms, brackets, taglines and a web ending; at most 32 characters, cut between
    words. None when nothing sayable is left.
    """
    name = _TAGLINE.sub("", _BRACKETS.sub("", text)).strip(" ,;-")
    if not name.isascii():  # 株式会社 stands before or behind the name, without a space
        for form in legal_forms:
            name = name if form.isascii() else name.removeprefix(form).removesuffix(form)
    words = name.replace(",", " ").split()
    while len(words) > 1 and _is_form(words[-1], legal_forms):
        words.pop()
    while len(words) > 1 and len(" ".join(words)) > COMPANY_MAX:
        words.pop()
    while len(words) > 1 and words[-1].casefold() in _SMALL:
        words.pop()
    name = _TOP_LEVEL.sub("", _calm(" ".join(words)).rstrip(".,"))
    return name if 0 < len(name) <= COMPANY_MAX and any(map(str.isalnum, name)) else None


def _is_form(word: str, legal_forms: frozenset[str]) -> bool:
    bare = re.sub(r"[.,/()]", "", word).casefold()
    return bare in legal_forms or bare in {"&", "and", ""}


def possessive(name: str) -> str:
    """`Harris & Sons` → `Harris & Sons'`."""
    return f"{name}'" if name[-1] in "sS" else f"{name}'s"


def title(text: str) -> str:
    """A job title as said of its holder: `FOUNDER (she/her) at Northwind | Speaker` → `Founder`.

    A long one is cut to its first part.
    """
    name = _AT.sub("", _TAGLINE.sub("", _BRACKETS.sub("", text))).strip(" .,;-")
    if len(name) > TITLE_LONG:
        name = re.split(r"\s*[,;/]\s*", name, maxsplit=1)[0]
    return _calm(name)


def role(text: str) -> str:
    """An open role without brackets and place: `Data Analyst (m/f/d) - Leeds` → `Data Analyst`."""
    return _calm(_TAGLINE.sub("", _BRACKETS.sub("", text)).strip(" ,;-"))


def with_article(name: str) -> str:
    """`Data Analyst` → `a Data Analyst`; plural roles stay as they are."""
    head = re.split(r"\s(?:of|for)\s|,", name, maxsplit=1)[0]
    if _AGENTS.search(head):
        return name
    return f"{_article(name)} {name}"


def _article(name: str) -> str:
    first = re.split(r"[\s/&-]", name, maxsplit=1)[0]
    spelled = len(first) <= 4 and first.isupper() and first not in {"NASA", "LEAN", "SAP"}
    if spelled:
        return "an" if first[0] in _LETTER_VOWEL else "a"
    if _CONSONANT_SOUND.match(first):
        return "a"
    return "an" if _VOWEL_SOUND.match(first) else "a"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def roles(names: Sequence[str]) -> str:
    """Open roles with articles; the third and later ones are counted, not named."""
    shown = [with_article(name) for name in names[:2]]
    more = len(names) - 2
    if more > 0:
        count = _NUMBERS[more] if more < len(_NUMBERS) else str(more)
        shown.append(f"{count} other role{'s' if more > 1 else ''}")
    return listed(shown)


def first_name(text: str) -> str:
    """`ANNA-LENA` → `Anna-Lena`; mixed case is left as its owner writes it."""
    name = " ".join(text.split())
    if name.isupper() or name.islower():
        return re.sub(r"[^\s'’-]+", lambda part: part[0].capitalize(), name)
    return name


def headline(text: str, publisher: str | None) -> str:
    """A headline in quotation marks, without the publisher's tail, cut between words."""
    bare = re.sub(r"\s+([,.;:!?])", r"\1", " ".join(text.split()))  # GDELT spaces its marks
    publisher = " ".join(publisher.split()) if publisher else None
    if publisher:
        bare = re.sub(rf"\s+[-–—|]\s+{re.escape(publisher)}$", "", bare, flags=re.IGNORECASE)
    bare = bare.translate({ord(mark): "'" for mark in '"“”„«»'}).rstrip(" .;,")
    if len(bare) > HEADLINE_MAX:
        bare = bare[: HEADLINE_MAX + 1].rpartition(" ")[0].rstrip(" .,;:-–—&'") + " …"
    quoted = f"“{bare}”"
    return f"{quoted} ({publisher})" if publisher else quoted


def _calm(text: str) -> str:
    """Neither shouted nor typed without capitals; what is mixed case already is left alone."""
    text = " ".join(text.split())
    if not text.isascii():
        return text
    if text.isupper() and sum(map(str.isalpha, text)) > 5:
        return _WORD.sub(lambda found: _capital(found[0], keep=3), text)
    if text.islower():
        return _WORD.sub(lambda found: _capital(found[0], keep=0), text)
    return text


def _capital(word: str, keep: int) -> str:
    folded = word.casefold()
    if folded in _SMALL:
        return folded
    if folded in _ACRONYMS:
        return word.upper()
    return word if len(word) <= keep else word.capitalize()
