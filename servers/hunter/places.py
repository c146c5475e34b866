"""Countries, time zones and telephone numbers. Owns: names to codes; refuses to guess.

Country names and their common aliases are data (`countries.tsv`: alpha-2, alpha-3, names). A
time zone counts only when it is an IANA name; it is never derived from a country here.
"""

from __future__ import annotations

import importlib.resources
import zoneinfo
from functools import lru_cache

import phonenumbers

from servers.hunter.text import clean, folded


@lru_cache(maxsize=1024)
def read_country(cell: str) -> str | None:
    """ISO 3166-1 alpha-2 of a name, alias, alpha-2 or alpha-3 code; None when not one."""
    return _countries().get(folded(clean(cell)))


@lru_cache(maxsize=1024)
def read_timezone(cell: str) -> str | None:
    """The IANA name of a time zone, in its own spelling; HubSpot's `america_slash_new_york` too."""
    text = clean(cell).replace("_slash_", "/").replace("_hyphen_", "-").replace(" ", "_")
    return _timezones().get(text.casefold())


def read_phone(cell: str, country: str | None) -> str | None:
    """E.164, without extension; None when it is no valid number in the stated country."""
    text = clean(cell).lstrip("'").strip()
    if not 5 <= len(text) <= 40 or not any(char.isdigit() for char in text):
        return None
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    table = importlib.resources.files("servers.hunter").joinpath("countries.tsv")
    codes: dict[str, str] = {}
    for line in table.read_text(encoding="utf-8").splitlines():
        alpha2, alpha3, names = line.split("\t")
        for name in (alpha2, alpha3, *names.split("|")):
            codes.setdefault(folded(name), alpha2)
    return codes


@lru_cache(maxsize=1)
def _timezones() -> dict[str, str]:
    areas = {name for name in zoneinfo.available_timezones() if "/" in name or name == "UTC"}
    return {name.casefold(): name for name in areas}
