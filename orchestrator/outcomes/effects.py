"""What an outcome changes in the database. Owns: one transaction for all of it.

Everything in it is idempotent by the outcome's id, so that a delivery that is worked on twice, by
two queens or after a crash, changes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time

from sqlalchemy import Connection, or_, update

from guardrails.auto_pause import Finding, Tell, pause_if_due
from guardrails.bank import Lesson
from guardrails.clock import iso
from guardrails.config.models.people import AutoPause
from guardrails.lessons import record_lesson
from guardrails.model import Reason
from guardrails.outcomes import RULES, OutcomeKind, Said
from guardrails.remembering import Fact, remember
from guardrails.replies import ReplyClass
from guardrails.store import insert_if_absent
from guardrails.store.people_tables import outcomes
from guardrails.store.write_tables import deliveries
from guardrails.suppression import suppress_hash
from orchestrator.delivery_rows import WAITING, DeliveryState, refuse_waiting, written
from orchestrator.outcomes.event import Event
from orchestrator.outcomes.match import Match

NOT_UNDERSTOOD = "answer_not_understood"
_LEFT = {
    "opted_out": "They opted out.",
    "bounced": "An e-mail to them bounced.",
    "complained": "They complained.",
    "replied": "They answered: a person goes on.",
    "meeting": "A meeting is arranged.",
    "rejected": "They declined.",
    "wrong_person": "They are the wrong person.",
    "won": "They are a customer now.",
}
_PARKED = "An automatic answer says that they are away."


@dataclass(frozen=True)
class Judged:
    """An event that was looked up and read.

    Args:
        kind: with the answer read; may differ from the event's.
        lessons: none, one, or one more for the anger.
        to_person: somebody of ours has to read the answer.
        until: the lead is parked until that day.
    """

    event: Event
    match: Match
    kind: OutcomeKind
    reply_class: ReplyClass | None
    said: Said
    rule: str | None
    angry: bool
    to_person: bool
    until: date | None
    lessons: tuple[Lesson, ...]


def suppression_of(judged: Judged) -> str | None:
    """Why they are suppressed by it; None: they are not.

    An answer of a lead that nobody could read might be a wish to leave: a person goes on with them,
    and the swarm writes to them no more by itself.
    """
    stated = RULES[judged.kind].suppress
    answered = judged.kind is OutcomeKind.REPLY and judged.event.answer is not None
    unread = answered and judged.reply_class is None and judged.match.lead_id is not None
    return stated or (NOT_UNDERSTOOD if unread else None)


def protect_here(conn: Connection, judged: Judged, at: datetime) -> bool:
    """Suppress, if this outcome asks for it; it waits for nothing else. Whether it does."""
    reason = suppression_of(judged)
    if reason is None:
        return False
    source = "unsubscribe_link" if judged.event.vendor == "link" else judged.event.vendor
    for hashed in judged.match.hashes:
        suppress_hash(conn, hashed, "email", reason, source, at)
    return True


def apply(
    conn: Connection,
    judged: Judged,
    inbox_id: str | None,
    audit_id: str,
    rules: AutoPause,
    tell: Tell,
    now: datetime,
) -> tuple[Finding, ...]:
    """Write everything down. Gives the thresholds that were reached."""
    _written_down(conn, _row(judged, inbox_id, audit_id, now))
    protect_here(conn, judged, now)
    for lesson in judged.lessons:
        record_lesson(conn, lesson, iso(now))
    why = RULES[judged.kind].leaves
    for lead_id in judged.match.lead_ids:
        if why is not None:
            reason = Reason(code=why, text=_LEFT[why])
            refuse_waiting(conn, lead_id, reason, iso(now))
        elif judged.until is not None:
            _park(conn, lead_id, judged.until, now)
    if judged.to_person:
        tell(conn, f"answer:{judged.event.outcome_id}", _to_read(judged), now)
    return pause_if_due(conn, rules, judged.kind, judged.event.at, now, tell)


def _written_down(conn: Connection, row: Mapping[str, str | None]) -> None:
    if not insert_if_absent(conn, outcomes, row):
        return
    told = ("kind", "reply_class", "vendor", "lead_id", "write_key", "audit_id", "at")
    fact = {name: row[name] for name in told}
    key, at = str(row["outcome_id"]), str(row["created_at"])
    remember(conn, Fact.OUTCOME, key, at, fact, row["lead_id"])


def _row(
    judged: Judged, inbox_id: str | None, audit_id: str, now: datetime
) -> dict[str, str | None]:
    return {
        "outcome_id": judged.event.outcome_id,
        "kind": judged.kind.value,
        "reply_class": judged.reply_class,
        "vendor": judged.event.vendor,
        "lead_id": judged.match.lead_id,
        "write_key": judged.match.write_key,
        "mailbox_hash": judged.match.mailbox_hash,
        "inbox_id": inbox_id,
        "audit_id": audit_id,
        "at": iso(judged.event.at),
        "created_at": iso(now),
    }


def _park(conn: Connection, lead_id: str, until: date, now: datetime) -> None:
    """Nothing that waits for them goes out before that day; what waits longer stays."""
    moment = iso(datetime.combine(until, time(), now.tzinfo))
    table = deliveries.c
    earlier = or_(table.not_before.is_(None), table.not_before < moment)
    reason = Reason(code="away", text=_PARKED)
    conn.execute(
        update(deliveries)
        .where(table.lead_id == lead_id, table.state.in_(WAITING), earlier)
        .values(
            state=DeliveryState.DEFERRED.value,
            not_before=moment,
            reasons=written((reason,)),
            updated_at=iso(now),
        )
    )


def _to_read(judged: Judged) -> str:
    """Names nobody but by id, and repeats nothing of the answer."""
    what = judged.reply_class or "answer that no rule understood"
    who = judged.match.lead_id or "somebody who is no lead here"
    where = {"instantly": "Instantly's inbox", "ghl": "the GHL conversation"}
    place = where.get(judged.event.vendor, judged.event.vendor)
    return f"An answer wants a person ({what.replace('_', ' ')}): {who}. Read it in {place}."
