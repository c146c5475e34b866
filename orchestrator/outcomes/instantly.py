"""Instantly's webhooks. Owns: what each means. Pure.

It signs nothing and numbers nothing; its payload repeats the lead's variables at the top, our key
among them. Opens, clicks and sends are in no table: nothing comes of them.
"""

from __future__ import annotations

from datetime import datetime

from guardrails.errors import BadInput
from guardrails.outcomes import OutcomeKind
from orchestrator.outcomes.event import (
    Answer,
    Body,
    Event,
    address,
    moment,
    same_event,
    text_in,
)

KINDS: dict[str, OutcomeKind] = {
    "reply_received": OutcomeKind.REPLY,
    "auto_reply_received": OutcomeKind.AUTO_REPLY,
    "lead_out_of_office": OutcomeKind.AUTO_REPLY,
    "email_bounced": OutcomeKind.BOUNCE,
    "lead_unsubscribed": OutcomeKind.UNSUBSCRIBE,
    "lead_interested": OutcomeKind.INTERESTED,
    "lead_not_interested": OutcomeKind.NOT_INTERESTED,
    "lead_wrong_person": OutcomeKind.WRONG_PERSON,
    "lead_meeting_booked": OutcomeKind.MEETING_BOOKED,
    "lead_meeting_completed": OutcomeKind.MEETING_COMPLETED,
    "lead_no_show": OutcomeKind.NO_SHOW,
    "lead_closed": OutcomeKind.WON,
    # Not in its documentation; if it ever tells of one, it must not pass unheard.
    "email_complained": OutcomeKind.COMPLAINT,
    "spam_complaint": OutcomeKind.COMPLAINT,
}
_ANSWERED = frozenset({OutcomeKind.REPLY, OutcomeKind.AUTO_REPLY})
_KEY = "swarm_key"  # the variable by which the swarm enrols


def instantly_event(body: Body, received_at: datetime) -> Event:
    """The event in a webhook. Raises BadInput: it does not say what happened."""
    name = text_in(body, "event_type")
    if not name:
        raise BadInput("an Instantly event without event_type")
    email = address(body.get("lead_email")) or address(body.get("email"))
    stated = [body.get(part) for part in ("timestamp", "campaign_id", "email_id", "step")]
    kind = KINDS.get(name.casefold())
    return Event(
        vendor="instantly",
        kind=kind,
        said="vendor",
        at=moment(body.get("timestamp"), received_at),
        same=same_event("instantly", name, email, *stated),
        email=email,
        mailbox=address(body.get("email_account")),
        key=text_in(body, _KEY) or None,
        answer=_answer(body, email) if kind in _ANSWERED else None,
    )


def _answer(body: Body, email: str | None) -> Answer:
    text = text_in(body, "reply_text")
    html = text_in(body, "reply_html")
    if not text and not html:
        text = text_in(body, "reply_text_snippet")
    return Answer(text, html, text_in(body, "reply_subject"), email or "", {})
