"""GHL's webhooks. Owns: what each means. Pure.

A won opportunity and an appointment end the cadence; only an appointment is news about the e-mail.
DND that is lifted means nothing here: a person lifts it, and the next look-up shows it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from guardrails.clock import iso
from guardrails.errors import BadInput
from guardrails.model import digest
from guardrails.outcomes import OutcomeKind
from orchestrator.outcomes.event import (
    Answer,
    Body,
    Event,
    address,
    changed,
    inner,
    moment,
    same_event,
    text_in,
)

_APPOINTMENTS = {
    "showed": OutcomeKind.MEETING_COMPLETED,
    "completed": OutcomeKind.MEETING_COMPLETED,
    "noshow": OutcomeKind.NO_SHOW,
    "new": OutcomeKind.MEETING_BOOKED,
    "booked": OutcomeKind.MEETING_BOOKED,
    "confirmed": OutcomeKind.MEETING_BOOKED,
}
_OPPORTUNITIES = {
    "won": OutcomeKind.WON,
    "lost": OutcomeKind.LOST,
    "abandoned": OutcomeKind.LOST,
}
_STATS = {
    "complained": OutcomeKind.COMPLAINT,
    "unsubscribed": OutcomeKind.UNSUBSCRIBE,
    "failed": OutcomeKind.SOFT_BOUNCE,
    "bounced": OutcomeKind.SOFT_BOUNCE,
}
_NO = frozenset({"", "false", "no", "0", "off", "inactive", "none", "null"})


def ghl_event(body: Body, received_at: datetime) -> Event:
    """The event in a webhook. Raises BadInput: it does not say what happened."""
    name = text_in(body, "type")
    if not name:
        raise BadInput("a GHL webhook without type")
    match name:
        case "InboundMessage":
            return _message(body, received_at)
        case "ContactDndUpdate":
            kind = OutcomeKind.DND if _blocked(body) else None
            return _about(body, name, kind, received_at, contact=body.get("id"))
        case "OpportunityStatusUpdate":
            kind = _OPPORTUNITIES.get(text_in(body, "status").casefold())
            return _about(body, name, kind, received_at, contact=body.get("contactId"))
        case "AppointmentCreate" | "AppointmentUpdate":
            held = inner(body, "appointment")
            status = text_in(held, "appointmentStatus") or text_in(held, "status")
            kind = _APPOINTMENTS.get(status.casefold())
            return _about(body, name, kind, received_at, contact=held.get("contactId"))
        case "LCEmailStats":
            return _stats(body, received_at)
        case _:
            return _about(body, name, None, received_at, contact=body.get("contactId"))


def _message(body: Body, received_at: datetime) -> Event:
    words = text_in(body, "body") or text_in(body, "message")
    is_html = "html" in text_in(body, "contentType").casefold() or "</" in words
    sender = text_in(body, "from") or text_in(body, "email")
    answer = Answer(
        "" if is_html else words, words if is_html else "", text_in(body, "subject"), sender, {}
    )
    event = _about(
        body, "InboundMessage", OutcomeKind.REPLY, received_at, contact=body.get("contactId")
    )
    outbound = text_in(body, "direction").casefold() == "outbound"
    return changed(
        event,
        kind=None if outbound else OutcomeKind.REPLY,
        email=address(sender),
        answer=answer if words or answer.subject else None,
    )


def _stats(body: Body, received_at: datetime) -> Event:
    stats = inner(body, "webhookPayload")
    kind = _STATS.get(text_in(stats, "event").casefold())
    lasting = "permanent" in (text_in(stats, "severity").casefold(), text_in(stats, "reason"))
    if kind is OutcomeKind.SOFT_BOUNCE and lasting:
        kind = OutcomeKind.BOUNCE
    event = _about(body, "LCEmailStats", kind, received_at, contact=stats.get("contactId"))
    named = (text_in(stats, "id"), stats.get("timestamp"))
    what = (text_in(stats, "event"), text_in(stats, "severity"))
    return changed(
        event,
        at=moment(stats.get("timestamp"), received_at),
        email=address(stats.get("recipient")),
        same=same_event("ghl", "LCEmailStats", *named, *what) if any(named) else event.same,
    )


def _about(
    body: Body, name: str, kind: OutcomeKind | None, received_at: datetime, *, contact: Any
) -> Event:
    hook = body.get("webhookId") or body.get("messageId")
    when = body.get("timestamp") or body.get("dateAdded")
    # A workflow says neither: the same words in another hour are said anew, as in the inbox.
    told: list[Any] = [hook] if hook else [when or iso(received_at)[:13], contact, digest(body)]
    return Event(
        vendor="ghl",
        kind=kind,
        said="vendor",
        at=moment(when, received_at),
        same=same_event("ghl", name, *told),
        email=address(body.get("email")),
        contact_id=contact[:80] if isinstance(contact, str) and contact else None,
    )


def _blocked(body: Body) -> bool:
    email = inner(inner(body, "dndSettings"), "Email")
    if text_in(email, "status").casefold() in ("active", "permanent"):
        return True
    said = body.get("dnd")
    # A workflow's fields are texts: whatever does not say no says yes.
    return said.strip().casefold() not in _NO if isinstance(said, str) else said is True
