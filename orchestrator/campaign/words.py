"""How a campaign's values are written for people. Owns: cleaning, units, names, letters.

Lead ids, reasons and details are outside text: what a terminal or a document would act on
(control and direction characters, lone surrogates) is replaced before it is shown anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069"
    "\ud800-\udfff\ufeff\ufffe\uffff]"
)

# Sixteen faults are too many colours: families are drawn, every kind is counted beside them.
FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "slow or silent": ("timeout_before", "timeout_after", "slow"),
    "vendor errors": ("http_500", "http_503", "reset"),
    "too many requests": ("http_429",),
    "broken answers": ("truncated_json", "malformed_json", "created_422", "duplicate_webhook"),
    "processes": ("server_killed", "server_hung"),
    "disk and database": ("database_locked", "disk_full", "torn_bank"),
    "other": (),
}
_FAMILY_OF: Final = {fault: family for family, all_ in FAMILIES.items() for fault in all_}

# One letter for each LeadState, readable without colour.
STATES: Final[Mapping[str, tuple[str, str]]] = {
    "shadow_logged": ("S", "would have been sent"),
    "ready": ("G", "may be delivered"),
    "awaiting_approval": ("A", "waits for a person"),
    "review": ("R", "draft needs a person"),
    "deferred": ("F", "deferred, try later"),
    "blocked": ("B", "draft must not go out"),
    "disqualified": ("Q", "must not be contacted"),
    "duplicate": ("D", "already in this run"),
    "invalid": ("I", "row cannot be used"),
}
VERDICTS: Final[Mapping[str, str]] = {
    "same": "same",
    "more_cautious": "more cautious under faults",
    "different": "decided differently",
    "lost": "lost",
    "doubled": "doubled",
}


def clean(text: object, limit: int = 2000) -> str:
    """`text` without characters that act on a terminal or a document, at most `limit` long."""
    plain = _UNSAFE.sub("�", str(text))
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def line(text: object, limit: int = 200) -> str:
    """`clean` on one line."""
    return clean(" ".join(str(text)[: 4 * limit].split()), limit)


def family(fault: str) -> str:
    """The family a fault is drawn in."""
    return _FAMILY_OF.get(fault, "other")


def letter(state: str) -> str:
    """A state's letter: `!` when the lead has no known state."""
    return STATES.get(state, ("!", ""))[0]


def words(name: object) -> str:
    """A machine's name as words: `http_429` is `http 429`."""
    return line(name).replace("_", " ")


def money(micros: float) -> str:
    """Micro-dollars as dollars; cents, or as many places as a small amount needs."""
    dollars = micros / 1_000_000
    if dollars and abs(dollars) < 0.1:
        return f"${dollars:.6f}".rstrip("0") if abs(dollars) < 0.001 else f"${dollars:.4f}"
    return f"${dollars:,.2f}"


def count(number: float) -> str:
    """A whole number with thousands apart; one place when it is not whole."""
    return f"{number:,.0f}" if number == int(number) else f"{number:,.1f}"


def clock(seconds: float) -> str:
    """Seconds as m:ss, or h:mm:ss from an hour."""
    whole = max(0, int(seconds + 0.5))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def lasting(seconds: float) -> str:
    """A duration in words: `0.4 s`, `6 s`, `2 min 5 s`, `1 h 0 min`."""
    if seconds < 10:
        return f"{round(seconds, 1):g} s"
    whole = int(seconds + 0.5)
    minutes, rest = divmod(whole, 60)
    if minutes == 0:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def many(number: float, one: str, more: str = "") -> str:
    """`1 lead`, `2 leads`."""
    return f"{count(number)} {one if number == 1 else more or one + 's'}"


def listed(parts: Iterable[str]) -> str:
    """`a, b and c`."""
    given = list(parts)
    return given[0] if len(given) == 1 else f"{', '.join(given[:-1])} and {given[-1]}" * bool(given)
