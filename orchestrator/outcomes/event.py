"""One thing that happened, in one form whatever vendor tells it. Owns: the noun, and safe reading.

Every string in a body is outside text: addresses are normalised or dropped, and a stated time is
never in the future.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Any, Literal

from guardrails.clock import parse
from guardrails.errors import BadInput
from guardrails.identity import normalise_email
from guardrails.model import digest
from guardrails.outcomes import OutcomeKind, Said

Vendor = Literal["instantly", "ghl", "link"]
Body = Mapping[str, Any]
_EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Answer:
    """The words of an answer; outside text."""

    text: str
    html: str
    subject: str
    sender: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Args:
        kind: None: nothing comes of it.
        said: whose word it is; an answer's text is read later and can change kind and word.
        at: when it happened, never after it came in.
        contact_id: of the CRM.
        lead_id: ours, when a link of ours named it.
        subject_hash: of the dedupe key, when a link of ours named it.
        mailbox: ours, that the e-mail went out from.
        key: the ledger key that the vendor repeats from our own variables; to be checked.
        same: what makes two deliveries the same event.
    """

    vendor: Vendor
    kind: OutcomeKind | None
    said: Said
    at: datetime
    same: str
    email: str | None = None
    contact_id: str | None = None
    lead_id: str | None = None
    subject_hash: str | None = None
    mailbox: str | None = None
    key: str | None = None
    answer: Answer | None = None

    @property
    def outcome_id(self) -> str:
        """The same for the same event, however often and by whatever way it comes."""
        return f"O-{self.same[:32]}"

    @property
    def names_somebody(self) -> bool:
        """Whether anybody could be meant."""
        return bool(self.email or self.contact_id or self.lead_id)


def changed(event: Event, **values: Any) -> Event:
    """`event` with other values."""
    return Event(**(vars(event) | values))


def inner(body: Body, name: str) -> Body:
    """The object under `name`; an empty one when there is none."""
    value = body.get(name)
    return value if isinstance(value, Mapping) else {}


def text_in(body: Body, name: str) -> str:
    """The text under `name`; empty when there is none."""
    value = body.get(name)
    return value if isinstance(value, str) else ""


def address(value: Any) -> str | None:
    """The one address in `value`, normalised; None when it is none."""
    if not isinstance(value, str):
        return None
    try:
        return normalise_email(parseaddr(value)[1] or value)
    except BadInput:
        return None


def moment(value: Any, received_at: datetime) -> datetime:
    """When it is said to have happened; when it came in, if that is not to be believed."""
    found: datetime | None = None
    try:
        if isinstance(value, str):
            found = parse(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if value > 10**11 else value
            found = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        found = None
    return found if found is not None and _EARLIEST <= found <= received_at else received_at


def same_event(*parts: Any) -> str:
    """Digest of the facts that a vendor repeats when it delivers twice."""
    return digest([str(part) if part is not None else None for part in parts])
