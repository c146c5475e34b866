"""What a contact's fields say. Owns: when two values are the same, and when one is the poorer.

The CRM is people's work: an empty value, or one that the CRM's value contains, never replaces it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

_NOT_DIGITS = re.compile(r"\D+")
_FIRST_WINS = frozenset({"source"})  # says where a contact came from: the first is the true one


def changes(given: Mapping[str, str], held: Mapping[str, str]) -> dict[str, str]:
    """Those of `given` that add to `held` or change it without making it poorer."""
    return {name: value for name, value in given.items() if _adds(name, value, held.get(name))}


def poorer(given: Mapping[str, str], held: Mapping[str, str]) -> tuple[str, ...]:
    """Names whose held value says more than the given one."""
    return tuple(
        name
        for name, value in given.items()
        if not same(name, value, held.get(name)) and not _adds(name, value, held.get(name))
    )


def same(name: str, given: str, held: str | None) -> bool:
    """Whether both say the same."""
    return held is not None and _plain(name, given) == _plain(name, held)


def _adds(name: str, given: str, held: str | None) -> bool:
    if held is None or not held.strip():
        return bool(given.strip())
    if name in _FIRST_WINS:
        return False
    return _plain(name, given) not in _plain(name, held)


def _plain(name: str, value: str) -> str:
    folded = " ".join(value.split()).casefold()
    if name == "phone":
        return _NOT_DIGITS.sub("", folded)
    if name == "website":
        parts = urlsplit(folded if "//" in folded else f"//{folded}")
        return parts.netloc.removeprefix("www.") + parts.path.rstrip("/")
    return folded
