"""Which event is in a delivery. Owns: choosing the vendor's reader, and our own link's event."""

from __future__ import annotations

from datetime import datetime

from guardrails.errors import BadInput
from guardrails.outcomes import OutcomeKind
from orchestrator.outcomes.event import Body, Event, same_event, text_in
from orchestrator.outcomes.ghl import ghl_event
from orchestrator.outcomes.instantly import instantly_event


def event_of(source: str, body: Body, received_at: datetime) -> Event:
    """The event in a body.

    Args:
        source: instantly | ghl | unsubscribe.

    Raises:
        BadInput: nothing in it says what happened.
    """
    if source == "instantly":
        return instantly_event(body, received_at)
    if source == "ghl":
        return ghl_event(body, received_at)
    if source == "unsubscribe":
        return _link(body, received_at)
    raise BadInput(f"no outcome comes from {source!r}")


def _link(body: Body, received_at: datetime) -> Event:
    lead_id, hashed = text_in(body, "lead_id"), text_in(body, "subject_hash")
    if not lead_id or not hashed:
        raise BadInput("a wish to leave that names nobody")
    return Event(
        vendor="link",
        kind=OutcomeKind.UNSUBSCRIBE,
        said="link",
        at=received_at,
        same=same_event("link", lead_id, hashed),
        lead_id=lead_id,
        subject_hash=hashed,
    )
