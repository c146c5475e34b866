"""Whether outside text may stand in an e-mail at all (P9). Owns: the tests for hostile text.

Refuses by suspicion: what looks like an address, markup, a placeholder or an instruction never
becomes a claim. The answers name the kind of trouble and never repeat the text.
"""

from __future__ import annotations

import re
import unicodedata

_ADDRESS = re.compile(
    r"://|\bwww\.|@|\bmailto:|[^\W_][\w-]*\.[a-z]{2,24}(?![\w])|\b\d{1,3}(?:\.\d{1,3}){3}\b",
    re.IGNORECASE,
)
_DOTTED_WORD = re.compile(r"(?!www\.)[^\W_][\w-]*\.[a-z]{2,24}", re.IGNORECASE)
_MARKUP = re.compile(r"[{}<>\[\]\\|`^~]|\$\(|&#|&\w+;|%[A-Z_]+%|\*\*|__")
_INSTRUCTION = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:all|any|previous|prior|above|"
    r"earlier|instructions?|rules?|everything|polic(?:y|ies)|guardrails?)\b"
    r"|\b(?:system|developer|hidden)\s+(?:prompt|message|instructions?)\b"
    r"|\b(?:previous|prior|above|following|these|new)\s+instructions?\b"
    r"|\byou\s+are\s+(?:now|an?\s+(?:ai|assistant|language))\b"
    r"|\bas\s+an?\s+(?:ai|language)\s+(?:model|assistant)\b"
    r"|\b(?:assistant|system|user|human)\s*:"
    r"|\b(?:send|forward|reply|write|respond|e-?mail)\b.{0,30}\b(?:e-?mails?|to\s+(?:this|the\s+"
    r"following)|with\s+the)\b"
    r"|\b(?:jailbreak|click\s+here|do\s+not\s+follow|pretend\s+(?:to|you)|drop\s+table|"
    r"api\s*key|password)\b",
    re.IGNORECASE | re.DOTALL,
)
_HIDDEN = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}
_LOOKED_AT = 2000  # characters; enough to say what is wrong with a text that is too long
_SYMBOLS = 2  # a company may be called "Sample® & Co™", not a row of pictures
_LIMITS = {"headline": 300, "publisher": 60, "company": 120, "title": 90, "word": 60}


def unsafe(text: str, form: str, *, dotted: bool = False) -> str | None:
    """Why `text` must not be used, or None.

    `form` is one of headline, publisher, company, title, word and sets the longest length in
    characters. With `dotted`, a text that is one dotted word (Node.js) is not taken for an address.
    """
    too_long = len(text) > _LIMITS[form]
    text = text[:_LOOKED_AT]
    if text.isascii():
        hidden = not text.isprintable()
    else:
        hidden = any(unicodedata.category(char) in _HIDDEN for char in text)
    if hidden:
        return "holds invisible or control characters"
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    if _MARKUP.search(plain):
        return "looks like markup or a placeholder"
    if plain.lstrip()[:1] in ("=", "+"):
        return "looks like a formula"
    if _INSTRUCTION.search(plain):
        return "reads like an instruction"
    if _ADDRESS.search(plain) and not (dotted and _DOTTED_WORD.fullmatch(plain.strip())):
        return "looks like a link or an address"
    if not plain.isascii() and any(_mixed(word) for word in plain.split()):
        return "mixes alphabets within a word"
    if sum(unicodedata.category(char) == "So" for char in text) > _SYMBOLS:
        return "is made of symbols"
    return "is too long" if too_long else None


def is_latin(text: str) -> bool:
    """Whether at least four in five letters are Latin, so that a word list can judge the text."""
    letters = [char for char in text if char.isalpha()]
    latin = sum(1 for char in letters if char.isascii() or _alphabet(char) == "LATIN")
    return bool(letters) and latin * 5 >= len(letters) * 4


def is_name(text: str) -> bool:
    """Letters and marks of any alphabet, spaces, hyphens, apostrophes; at most 40 characters."""
    if not 0 < len(text) <= 40 or _mixed(text):
        return False
    return text[0].isalpha() and all(
        char in " -'’" or unicodedata.category(char)[0] in "LM" for char in text
    )


def _mixed(word: str) -> bool:
    # Look-alike letters (Cyrillic "а" inside a Latin word) hide words from every list.
    if word.isascii():
        return False
    alphabets = {_alphabet(char) for char in word if char.isalpha()}
    return len(alphabets & {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}) > 1


def _alphabet(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]
