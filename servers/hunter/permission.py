"""What a row itself says about contacting this person. Owns: reading it on the cautious side.

A value in an opt-out column that is neither clearly no nor unknown counts as yes. A date of last
contact that cannot be read makes the row unusable rather than contactable. The row's own words
are kept in `do_not_contact`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from guardrails.model import Consent
from guardrails.policy.words import plain
from servers.hunter.numbers import read_moment
from servers.hunter.text import clean, known

Cell = tuple[str, str]  # header and value
_NO_PHRASES = frozenset(
    {
        "no", "n", "false", "f", "0", "0.0", "off", "never", "nein", "non", "nee", "ok", "active",
        "allowed", "subscribed", "opted in", "opted-in", "opt in", "opt-in", "not opted out",
        "not unsubscribed", "not bounced", "valid", "deliverable", "do contact", "can contact",
    }
)  # fmt: skip
_UNSUBSCRIBED = re.compile(
    r"\b(?:un-?sub(?:scri\w+|bed)?|opt(?:s|ed|ing)?[ -]?out|objected|complain\w*"
    r"|spam (?:complaint|report)\w*|(?:marked|reported) as spam)\b"
)
_WITHDRAWN = re.compile(r"\b(?:withdrawn|withdrew|revoked|denied|declined|refused|removed)\b")
_NEGATED = re.compile(
    r"\b(?:not|never|non)[ -](?:unsubscri\w*|opt(?:ed)?[ -]?out|bounced|black\w*|block\w*|supp\w*)"
)
_DO_NOT_CONTACT = re.compile(
    r"\b(?:(?:do ?not|don'?t) ?(?:contact|e-?mail|mail)|(?:no|never) contact|dnc|dnd|unqualified"
    r"|disqualified|not qualified|not interested|no interest|black[ -]?list\w*|block[ -]?list\w*"
    r"|blocked|suppress\w*|dead|junk"
    r"|deceased|left (?:the )?company|no longer (?:with|at)\b.*|wrong (?:person|contact)|competitor"
    r"|bad data)\b"
)
_BOUNCED = re.compile(r"\b(?:hard[ -]?)?bounced?\b|\binvalid e-?mail\b|\bundeliverable\b")
_CUSTOMER = re.compile(r"\b(?:customers?|clients?|evangelist|closed[ -]won)\b")
_NOT_CUSTOMER = re.compile(
    r"\b(?:non|not an?|no|never|former|ex|past|lost|previous|potential|prospective|prospect|future"
    r"|target)[ -]+(?:existing |current )?(?:customers?|clients?)\b"
    r"|\b(?:customer|client)s?[ -](?:success|service|support|experience|care|marketing|facing"
    r"|side)\b"
    r"|\b(?:customer|client)s? of (?:a )?competitors?\b"
)
_EXPRESS = re.compile(r"\b(?:express|explicit|freely given|opt(?:ed)?[ -]?in|granted|given|yes)\b")
_NOT_CONSENT = re.compile(r"\b(?:not|no|none|pending|unconfirmed|expired|legitimate)\b")


@dataclass(frozen=True)
class Permission:
    """The row's own word on contacting; `unreadable` names a header that could not be read."""

    opted_out: bool = False
    customer: bool = False
    bounced: bool = False
    do_not_contact: str | None = None
    last_contacted_at: datetime | None = None
    consent: Consent | None = None
    unreadable: str | None = None


def read_permission(cells: dict[str, Sequence[Cell]]) -> Permission:
    """All that the row's cells (field to header and value) say about contacting."""
    statuses = [cell for field in ("status", "tags") for cell in cells.get(field, ())]
    opted_out = (
        any(_says_yes(value) for _, value in cells.get("opt_out", ()))
        or any(_not_subscribed(value) for _, value in cells.get("subscribed", ()))
        or any(_says(_UNSUBSCRIBED, value) for _, value in statuses)
        or any(
            _says(_UNSUBSCRIBED, value) or _says(_WITHDRAWN, value)
            for _, value in cells.get("consent", ())
        )
    )
    contacted, unreadable = _last_contacted(cells.get("last_contacted", ()))
    return Permission(
        opted_out=opted_out,
        customer=_is_customer(cells, statuses),
        bounced=any(_says_yes(value) for _, value in cells.get("bounced", ()))
        or any(_says(_BOUNCED, value) for _, value in statuses),
        do_not_contact=_do_not_contact(cells.get("do_not_contact", ()), statuses),
        last_contacted_at=contacted,
        consent=None if opted_out else _consent(cells),
        unreadable=unreadable,
    )


def _do_not_contact(flags: Sequence[Cell], statuses: Sequence[Cell]) -> str | None:
    stated = [cell for cell in flags if _says_yes(cell[1])]
    stated += [cell for cell in statuses if _says(_DO_NOT_CONTACT, cell[1])]
    return "; ".join(f"{header}: {clean(value)[:100]}" for header, value in stated) or None


def _is_customer(cells: dict[str, Sequence[Cell]], statuses: Sequence[Cell]) -> bool:
    stated = [*cells.get("customer", ()), *statuses, *cells.get("consent", ())]
    for _, value in stated:
        text = _words(value)
        if _CUSTOMER.search(_NOT_CUSTOMER.sub(" ", text)):
            return True
    yes_no = [value for header, value in cells.get("customer", ()) if _asks_yes_no(header)]
    since = [value for _, value in cells.get("customer_since", ())]
    return any(_says_plain_yes(value) for value in yes_no) or any(map(_says_yes, since))


def _asks_yes_no(header: str) -> bool:
    return re.search(r"customer|client", header, re.IGNORECASE) is not None


def _last_contacted(cells: Sequence[Cell]) -> tuple[datetime | None, str | None]:
    moments = []
    for header, value in cells:
        text = known(value)
        if text is None or text.casefold() in _NO_PHRASES:
            continue
        moment = read_moment(text)
        if moment is None:
            return None, header
        moments.append(moment)
    return max(moments, default=None), None


def _consent(cells: dict[str, Sequence[Cell]]) -> Consent | None:
    stated = [_basis(value) for _, value in cells.get("consent", ()) if known(value)]
    # One column that says yes beside one that does not is no consent.
    basis = stated[0] if stated and None not in stated else None
    dates = [read_moment(value) for _, value in cells.get("consent_date", ()) if known(value)]
    if basis is None:
        return None
    ends = [value for _, value in cells.get("consent_expiry", ()) if known(value)]
    expiries = [read_moment(value, min) for value in ends]
    if None in expiries:
        return None  # consent whose end cannot be read is no consent
    sources = [text for _, value in cells.get("consent_source", ()) if (text := known(value))]
    return Consent(
        basis=basis,
        recorded_at=min((date for date in dates if date), default=None),
        expires_at=min((date for date in expiries if date), default=None),
        source=sources[0][:200] if sources else None,
    )


def _basis(value: str) -> Literal["express", "implied"] | None:
    text = _words(value)
    if known(value) is None or text in _NO_PHRASES - {"opted in", "opt in", "subscribed"}:
        return None
    if _NOT_CONSENT.search(text):
        return None
    if "implied" in text or "implicit" in text:
        return "implied"
    return "express" if _EXPRESS.search(text) or _says_plain_yes(value) else None


def _not_subscribed(value: str) -> bool:
    text = _words(value)
    plain_no = text in ("no", "n", "false", "f", "0", "not subscribed", "inactive", "cleaned")
    return plain_no or _says(_UNSUBSCRIBED, value)


def _says_yes(value: str) -> bool:
    """Anything but a known no: in an opt-out column doubt counts as yes."""
    text = known(value)
    return text is not None and _words(text) not in _NO_PHRASES


def _says_plain_yes(value: str) -> bool:
    return _words(value) in ("yes", "y", "true", "t", "1", "1.0", "x", "✓", "✔", "on", "ja", "oui")


def _says(pattern: re.Pattern[str], value: str) -> bool:
    text = _NEGATED.sub(" ", _words(value))
    # Tags are often written with hyphens for spaces: do-not-contact.
    return any(pattern.search(form) is not None for form in (text, text.replace("-", " ")))


def _words(value: str) -> str:
    return plain(clean(value)).replace("_", " ")
