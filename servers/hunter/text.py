"""Cells as clean text. Owns: what counts as unknown, invisible characters, names.

Control, bidirectional and zero-width characters go, because they only hide things. Words never
change: an instruction or a formula in a cell stays as it stands, as data (policy judges it).
"""

from __future__ import annotations

import re
import unicodedata


def _words_in(text: str) -> frozenset[str]:
    """Words of a compact list; `~` stands for a space."""
    return frozenset(word.replace("~", " ") for word in text.split())


_UNKNOWN = _words_in(
    "n/a na n.a. n.a #n/a #na null none nil nan - -- --- – — _ . ? ?? unknown undefined (blank) "
    "(empty) blank empty (none) [none] (null) <null> \\n not~available not~provided not~found "
    "no~data tbd tba #ref! #value! #name? #null! #div/0! #error! #num! no~value (no~value) "
    "not~specified unspecified"
)
_PARTICLES = _words_in(
    "van der den de la le du von zu zum zur ter ten da das do dos di del della degli des al el "
    "bin ibn bint y e af av"
)
_ROMAN = frozenset({"ii", "iii", "iv", "vi", "vii"})
_HONORIFICS = _words_in("mr mrs ms miss mx dr prof sir herr frau mme mlle m sr sra")
_SUFFIXES = _words_in(
    "phd ph.d md m.d mba cpa esq jr sr ii iii iv pmp cfa dds jd llm cissp msc bsc ma ba"
)
# Joiners are kept: Persian and Indic names need them.
_KEPT_FORMAT = "\u200c\u200d"


def clean(cell: str) -> str:
    """NFC, invisible characters away, spaces collapsed (line breaks become spaces)."""
    text = cell if cell.isascii() else unicodedata.normalize("NFC", cell)
    if not text.isprintable():
        text = "".join(_visible(char) for char in text)
    return " ".join(text.split())


def known(cell: str) -> str | None:
    """Clean text, or None for an empty cell and the usual words for unknown."""
    text = clean(cell)
    return None if not text or text.casefold() in _UNKNOWN else text


def name(cell: str) -> str | None:
    """A given or family name; SHOUTED or lower-case ASCII names get their capitals.

    `Na` and `Null` are real family names: they count as unknown only in a form no person uses.
    """
    text = clean(cell)
    if text in ("Na", "Null", "None"):
        return text
    if known(text) is None:
        return None
    return _capitalised(text)


def split_name(cell: str) -> tuple[str | None, str | None]:
    """Given and family name from `Dr Jane van der Berg, PhD` or `Berg, Jane`.

    One word alone is taken as the given name.
    """
    text = known(cell)
    if text is None:
        return None, None
    head, comma, tail = text.partition(",")
    if comma and not _only_suffixes(tail):
        words = [*_name_words(tail), *_name_words(head)]
        given = len(_name_words(tail))
    else:
        words, given = _name_words(head), 1
    if not words:
        return None, None
    first, last = " ".join(words[:given]), " ".join(words[given:])
    return name(first), name(last) if last else None


def folded(text: str | None) -> str:
    """Letters and digits only, without accents and case: for comparing names."""
    plain = unicodedata.normalize("NFKD", text or "").casefold()
    return "".join(char for char in plain if char.isalnum())


def _visible(char: str) -> str:
    if char in "\t\n\r\v\f\u2028\u2029\x85":
        return " "
    category = unicodedata.category(char)
    if char in _KEPT_FORMAT or category not in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return char
    return ""


def _only_suffixes(text: str) -> bool:
    words = text.replace(",", " ").split()
    return all(word.strip(".").casefold() in _SUFFIXES for word in words)


def _name_words(text: str) -> list[str]:
    words = text.replace(",", " ").split()
    while len(words) > 1 and words[0].strip(".").casefold() in _HONORIFICS:
        words = words[1:]
    while len(words) > 1 and words[-1].strip(".").casefold() in _SUFFIXES:
        words = words[:-1]
    return words


def _capitalised(text: str) -> str:
    if not text.isascii() or not (text.isupper() or text.islower()):
        return text
    if text.isupper() and len(text) <= 2:
        return text  # initials: JP, AJ
    words = text.lower().split(" ")
    # A particle stays small only before another word: "van der Berg", but "Mr Van".
    return " ".join(
        word if word in _PARTICLES and place < len(words) - 1 else _capitalised_word(word)
        for place, word in enumerate(words)
    )


def _capitalised_word(word: str) -> str:
    if word in _ROMAN:
        return word.upper()
    if len(word) >= 5 and word.startswith("mc"):
        return "Mc" + word[2:].capitalize()
    return re.sub(r"(?:\A|(?<=[-'.]))[a-z]", lambda match: match.group().upper(), word)
