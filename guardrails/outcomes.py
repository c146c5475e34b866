"""What became of an e-mail. Owns: the kinds, and what each does: learn, suppress, end the cadence.

One table says it all. Whose word it is decides how far it is trusted (P9): what the vendor itself
reports is `system`; what an answer's text says is the lead's, and waits in quarantine until a
person or a verified outcome confirms it; a person's word is `human`. Suppression asks for nobody's
trust. Opens, clicks and silence have no kind: scanners forge them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from guardrails.bank.models import Outcome, Trust
from guardrails.replies import ReplyClass


class OutcomeKind(StrEnum):
    """What happened."""

    REPLY = "reply"  # a person answered; its class says what
    AUTO_REPLY = "auto_reply"  # a machine answered: parked until the day it states
    BOUNCE = "bounce"  # it will never arrive
    SOFT_BOUNCE = "soft_bounce"  # it did not arrive yet
    COMPLAINT = "complaint"  # marked as spam
    UNSUBSCRIBE = "unsubscribe"  # by link, by the vendor's flag, or in any wording
    INTERESTED = "interested"  # the vendor's flag
    NOT_INTERESTED = "not_interested"  # the vendor's flag
    WRONG_PERSON = "wrong_person"  # the vendor's flag
    MEETING_BOOKED = "meeting_booked"
    MEETING_COMPLETED = "meeting_completed"
    NO_SHOW = "no_show"
    DND = "dnd"  # the CRM says: do not disturb by e-mail
    WON = "won"  # an opportunity; by whatever way it came, so nothing is learned from it
    LOST = "lost"


Said = Literal[
    "vendor",  # its own report or flag
    "text",  # the text of an answer, as we read it
    "link",  # a link that only the recipient's e-mail held, opened and confirmed
    "person",  # somebody of ours
]
_TRUST: dict[Said, Trust] = {
    "vendor": "system",
    "text": "lead_derived",
    "link": "system",
    "person": "human",
}


@dataclass(frozen=True)
class OutcomeRule:
    """What a kind does.

    Args:
        lesson: what the bank hears; None: nothing.
        suppress: reason on the suppression list; None: not suppressed.
        leaves: why the lead's cadence ends: what waits for it is withdrawn and refused. None: it
            goes on.
        only_sent: the lesson counts by the vendor's word only when our ledger shows the e-mail as
            sent: nobody can speak well of what we never wrote.
    """

    lesson: Outcome | None = None
    suppress: str | None = None
    leaves: str | None = None
    only_sent: bool = False


RULES: dict[OutcomeKind, OutcomeRule] = {
    OutcomeKind.REPLY: OutcomeRule(leaves="replied"),  # and by its class: see `lesson_by_class`
    OutcomeKind.AUTO_REPLY: OutcomeRule(),
    OutcomeKind.BOUNCE: OutcomeRule("hard_bounce", "hard_bounce", "bounced"),
    OutcomeKind.SOFT_BOUNCE: OutcomeRule(),
    OutcomeKind.COMPLAINT: OutcomeRule("complaint", "complaint", "complained"),
    OutcomeKind.UNSUBSCRIBE: OutcomeRule("unsubscribe", "opt_out", "opted_out"),
    OutcomeKind.INTERESTED: OutcomeRule("positive_reply", leaves="replied", only_sent=True),
    OutcomeKind.NOT_INTERESTED: OutcomeRule(leaves="rejected"),
    OutcomeKind.WRONG_PERSON: OutcomeRule(leaves="wrong_person"),
    OutcomeKind.MEETING_BOOKED: OutcomeRule("meeting", leaves="meeting", only_sent=True),
    OutcomeKind.MEETING_COMPLETED: OutcomeRule("meeting", leaves="meeting", only_sent=True),
    OutcomeKind.NO_SHOW: OutcomeRule(leaves="meeting"),
    OutcomeKind.DND: OutcomeRule(suppress="crm_dnd", leaves="opted_out"),
    OutcomeKind.WON: OutcomeRule(leaves="won"),
    OutcomeKind.LOST: OutcomeRule(leaves="rejected"),
}
# Kinds after which a person can say that the e-mail was a success.
SUCCESSES = frozenset(
    {
        OutcomeKind.REPLY, OutcomeKind.INTERESTED, OutcomeKind.MEETING_BOOKED,
        OutcomeKind.MEETING_COMPLETED, OutcomeKind.WON,
    }
)  # fmt: skip


def kind_of_reply(reply_class: ReplyClass | None, *, permanent: bool) -> OutcomeKind:
    """The kind of an answer that was read so."""
    match reply_class:
        case "unsubscribe":
            return OutcomeKind.UNSUBSCRIBE
        case "auto_reply":
            return OutcomeKind.AUTO_REPLY
        case "bounce":
            return OutcomeKind.BOUNCE if permanent else OutcomeKind.SOFT_BOUNCE
        case _:
            return OutcomeKind.REPLY


def outcome_lesson(kind: OutcomeKind, reply_class: ReplyClass | None) -> Outcome | None:
    """What the bank hears; of answers only a positive one, besides what has a kind of its own."""
    if kind is OutcomeKind.REPLY and reply_class == "positive":
        return "positive_reply"
    return RULES[kind].lesson


def trust_of(kind: OutcomeKind, said: Said, *, sent: bool) -> Trust:
    """How far a lesson of this kind is trusted.

    Args:
        sent: our ledger shows the e-mail as sent.
    """
    if RULES[kind].only_sent and not sent and said != "person":
        return "lead_derived"
    return _TRUST[said]
