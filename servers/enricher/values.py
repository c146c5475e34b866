"""From a source's words to values we can rely on. Owns: what counts as unknown, and each form.

Refuses to guess: a placeholder, a zero head count, a range where a number is needed, a country or
time zone nobody has heard of is unknown, and unknown things have no fact. All input is outside
text: it is cut, stripped of control and direction characters, and never interpreted.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from guardrails.errors import BadInput
from guardrails.identity import normalise_domain, normalise_email
from guardrails.model import FactName, FactValue

MAX_TEXT = 200
MAX_ITEMS = 30
_UNKNOWN = frozenset(
    {
        "", "-", "--", "—", "?", ".", "0", "n/a", "na", "n.a.", "none", "null", "nil", "nan",
        "undefined", "unknown", "not available", "not applicable", "not found", "no data",
        "no result", "no results", "tbd", "other", "private", "error", "false",
    }
)  # fmt: skip
_OWNERSHIP = frozenset({"private", "public", "government", "military", "education", "nonprofit"})
_OWNERSHIP_WORDS = {
    "privately held": "private", "private company": "private", "public company": "public",
    "publicly traded": "public", "government agency": "government", "non-profit": "nonprofit",
    "non profit": "nonprofit", "not for profit": "nonprofit", "educational": "education",
    "educational institution": "education",
}  # fmt: skip
_EMAIL_STATUS = {
    "valid": "valid", "verified": "valid", "deliverable": "valid", "catch_all": "catch_all",
    "catch-all": "catch_all", "catchall": "catch_all", "accept_all": "catch_all",
    "invalid": "invalid", "undeliverable": "invalid",
}  # fmt: skip
_COUNTRY_ALIASES = {
    "usa": "US", "u.s.": "US", "u.s.a.": "US", "united states of america": "US", "uk": "GB",
    "united kingdom": "GB", "great britain": "GB", "england": "GB", "scotland": "GB", "wales": "GB",
    "northern ireland": "GB", "south korea": "KR", "north korea": "KP", "czechia": "CZ",
    "the netherlands": "NL", "holland": "NL", "uae": "AE", "vatican": "VA",
}  # fmt: skip
_NUMBER = re.compile(r"\d{1,3}(?:[, ]\d{3}){1,6}|\d{1,20}")  # Python reads no number of any length
_WWW = re.compile(r"\Awww\.(?=[^.]+\.)")  # of www.com nothing is left to take away
_MAX_EMPLOYEES = 5_000_000


def clean_text(value: Any, limit: int = MAX_TEXT) -> str | None:
    """One line of visible text, or None when it says nothing."""
    if not isinstance(value, str):
        return None
    if not (value.isascii() and value.isprintable()):
        value = "".join(" " if c.isspace() else c for c in value if c.isspace() or _visible(c))
        value = unicodedata.normalize("NFC", value)
    text = " ".join(value.split())
    if text.casefold() in _UNKNOWN:
        return None
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def fact_value(name: FactName, value: Any) -> FactValue | None:
    """`value` in the form that fact `name` has, or None when it is unknown."""
    return _FORMS[name](value) if name in _FORMS else clean_text(value)


def _visible(character: str) -> bool:
    # Cc control, Cf direction marks, zero width and tags, Co/Cs/Cn nothing a reader can see.
    return unicodedata.category(character) not in ("Cc", "Cf", "Co", "Cs", "Cn")


def _count(value: Any, most: int) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        value = int(value) if value.is_integer() else None
    if isinstance(value, str):
        text = value.strip()
        value = int(re.sub("[, ]", "", text)) if _NUMBER.fullmatch(text) else None
    return value if isinstance(value, int) and 0 < value <= most else None


def _country(value: Any) -> str | None:
    text = clean_text(value)
    if text is None:
        return None
    codes = _countries()
    if len(text) == 2 and text.isascii() and text.upper() in codes.values():
        return text.upper()
    return _COUNTRY_ALIASES.get(text.casefold()) or codes.get(text.casefold())


@functools.cache
def _countries() -> dict[str, str]:
    """English name, case-folded, to ISO 3166-1 alpha-2; the table is tzdata's."""
    table = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if line and line[0] != "#")
    return {name.casefold(): code for code, name in rows}


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _timezone(value: Any) -> str | None:
    text = clean_text(value)
    return text if text in _zones() else None


def _email(value: Any) -> str | None:
    text = clean_text(value, 254)
    try:
        return normalise_email(text) if text else None
    except BadInput:
        return None


def _domain(value: Any) -> str | None:
    text = clean_text(value, 300)
    if text is None:
        return None
    try:
        host = urlsplit(text if "//" in text else f"//{text}").hostname or ""
        return _WWW.sub("", normalise_domain(host))
    except (BadInput, ValueError):
        return None


def _linkedin(value: Any) -> str | None:
    text = clean_text(value, 300)
    if text is None:
        return None
    address = text if "//" in text else f"https://{text}"
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    host = (parts.hostname or "").removeprefix("www.")
    here = host == "linkedin.com" or host.endswith(".linkedin.com")
    return address if here and parts.scheme in ("http", "https") and " " not in address else None


def _list(value: Any) -> tuple[str, ...] | None:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        return None
    words = (clean_text(item, 80) for item in items[:MAX_ITEMS])
    return tuple(dict.fromkeys(word for word in words if word)) or None


def _ownership(value: Any) -> str | None:
    word = value.strip().casefold() if isinstance(value, str) else ""
    word = _OWNERSHIP_WORDS.get(word, word)
    return word if word in _OWNERSHIP else None


def _email_status(value: Any) -> str | None:
    return _EMAIL_STATUS.get(value.strip().casefold()) if isinstance(value, str) else None


_FORMS: dict[FactName, Callable[[Any], FactValue | None]] = {
    "email": _email,
    "employee_count": lambda value: _count(value, _MAX_EMPLOYEES),
    "revenue_usd": lambda value: _count(value, 10**13),
    "pages_seen": lambda value: _count(value, 10**6),
    "country": _country,
    "timezone": _timezone,
    "domain": _domain,
    "parent_domain": _domain,
    "linkedin_url": _linkedin,
    "technologies": _list,
    "hiring": _list,
    "ownership": _ownership,
    "email_status": _email_status,
    "mx": lambda value: value if isinstance(value, bool) else None,
}
