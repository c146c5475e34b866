"""What a fix may touch. Owns: the closed list of places, and what may be put there.

Every rule compares old with new: limits only get stricter, attempts and work only fewer, an
address only goes back to the packaged one. Everything that is not listed is refused: mode,
spending, sending, policy, breaker, chaos. Refuses aliases that touch a safety field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from guardrails.config.models import Vendor
from guardrails.model import FactName

_ABSENT = object()
_VENDOR = "|".join(get_args(Vendor))
# A field that says who somebody is, or that somebody must not be written to. Moving one by an
# alias, in either direction, could make an opt-out disappear or change a recipient. If a vendor
# renames one of these, the adapter is mended by a person and the lead is deferred until then.
# Compared letter by letter, so that `lt_interest_status` and `ltInterestStatus` are one name.
SAFETY_STEMS = (
    "activity", "address", "block", "bounce", "consent", "contacted", "country", "cursor", "dnd",
    "domain", "donotcontact", "email", "interest", "mail", "optedout", "optin", "optout",
    "permission", "startingafter", "status", "subscri", "suppress", "tag", "type", "unsub",
    "value", "website", "zone",
)  # fmt: skip
_SAFETY_FACTS = frozenset(
    {"email", "email_status", "ownership", "parent_domain", "country", "timezone", "domain"}
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,39}\Z")
_API_VERSION = re.compile(r"(?:v\d{1,2}|20\d\d-[01]\d-[0-3]\d)\Z")
Check = Callable[[Any, Any, "Place"], str | None]


@dataclass(frozen=True)
class Place:
    """Where a value stands: the pointer's names, and the whole documents around it."""

    names: tuple[str, ...]
    document: Mapping[str, Any]  # after the patch
    packaged: Mapping[str, Any]


def refusal(path: str, old: Any, new: Any, place: Place) -> str | None:
    """Why `new` may not replace `old` at `path`; None when it may.

    Args:
        old: `absent()` when there was nothing.
    """
    for pattern, check in _RULES:
        if pattern.match(path):
            return check(old, new, place)
    return "no fix may touch this: it is not on the closed list"


def absent() -> Any:
    """Stands for "there was nothing"."""
    return _ABSENT


def alias_refusal(new_name: Any, known_name: Any) -> str | None:
    """Why a field may not be called otherwise; None when it may."""
    for name in (new_name, known_name):
        if not isinstance(name, str) or not _NAME.match(name):
            return "an alias is a plain field name"
        if any(stem in _folded(name) for stem in SAFETY_STEMS):
            return f"{name} says whom we may write to: an alias could hide an opt-out"
    return "a field's own name is no alias" if new_name == known_name else None


def _folded(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _longer_wait(old: Any, new: Any, place: Place) -> str | None:
    if not (_number(old) and _number(new)) or new <= old:
        return "a time limit is only made longer"
    work = place.document.get("work", {}).get("call_timeout_s", 0)
    timeouts = place.document["vendors"][place.names[1]]["timeouts"]
    if timeouts["total"] >= work:
        return f"total must stay below work.call_timeout_s ({work:g} s)"
    if any(timeouts[name] > timeouts["total"] for name in ("connect", "read", "write", "pool")):
        return "no part may be longer than total"
    return None


def _fewer(old: Any, new: Any, place: Place) -> str | None:
    whole = isinstance(new, int) and not isinstance(new, bool)
    fit = whole and _number(old) and 0 < new < old
    return None if fit else "this number is only made smaller"


def _more(old: Any, new: Any, place: Place) -> str | None:
    fit = _number(old) and _number(new) and new > old
    return None if fit else "the window of a rate limit is only made longer"


def _api_version(old: Any, new: Any, place: Place) -> str | None:
    fit = isinstance(new, str) and _API_VERSION.match(new)
    return None if fit else "an API version is a date, or v and a number"


def _packaged(old: Any, new: Any, place: Place) -> str | None:
    known = place.packaged.get("vendors", {}).get(place.names[1], {}).get("base_url")
    return None if new == known and known else "an address only goes back to the packaged one"


def _aliases(old: Any, new: Any, place: Place) -> str | None:
    if old is not _ABSENT or not isinstance(new, dict):
        return "aliases are added one by one"
    found = (alias_refusal(name, known) for name, known in new.items())
    return next((why for why in found if why), None)


def _alias(old: Any, new: Any, place: Place) -> str | None:
    return alias_refusal(place.names[-1], new)


def _output(old: Any, new: Any, place: Place) -> str | None:
    if old is not _ABSENT:
        return "an output is only added, never taken away from its fact"
    if new not in get_args(FactName):
        return f"{new} is no fact"
    if new in _SAFETY_FACTS or not _NAME.match(place.names[-1]):
        return f"{new} decides whom we may write to, and is mapped by a person"
    return None


def _rule(pattern: str, check: Check) -> tuple[re.Pattern[str], Check]:
    return re.compile(pattern + r"\Z"), check


_RULES = (
    _rule(rf"/vendors/(?:{_VENDOR})/timeouts/(?:connect|read|write|pool|total)", _longer_wait),
    _rule(rf"/vendors/(?:{_VENDOR})/limits/(?:requests|per_day)", _fewer),
    _rule(rf"/vendors/(?:{_VENDOR})/limits/per_seconds", _more),
    _rule(rf"/vendors/(?:{_VENDOR})/max_attempts", _fewer),
    _rule(r"/vendors/ghl/(?:api_version|conversations_version)", _api_version),
    _rule(rf"/vendors/(?:{_VENDOR})/base_url", _packaged),
    _rule(rf"/vendors/(?:{_VENDOR})/renamed_fields", _aliases),
    _rule(rf"/vendors/(?:{_VENDOR})/renamed_fields/[A-Za-z][A-Za-z0-9_ -]*", _alias),
    _rule(r"/vendors/clay/outputs/[A-Za-z][A-Za-z0-9_ -]*", _output),
    _rule(r"/work/concurrency", _fewer),
)
