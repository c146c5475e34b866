"""What was learned when, and from whom. Owns: joining the bank's evidence with the lessons' table.

Shows people's words, never a lead's: what an answer says stands in no lesson. What configuration
states was not learned and is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select

from guardrails.approvers import ApproverList
from guardrails.bank.models import CONFIGURED, Evidence, Item
from guardrails.clock import iso, parse
from guardrails.lesson_folding import pending_count, unreadable
from guardrails.store.fleet_tables import lesson_folds
from guardrails.store.people_tables import lessons


@dataclass(frozen=True)
class Learned:
    """One event, and what it touched.

    Args:
        learned_at: when it stood in this bank; when it happened, where no lesson tells.
        who: the person's name where the list of approvers knows it, else the actor.
        items: (id, title, status) of every item that it is evidence of.
    """

    event_id: str
    happened_at: datetime
    learned_at: datetime
    outcome: str
    reason_code: str | None
    text: str
    who: str
    trust: str
    lead_id: str | None
    items: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Queue:
    """What is not in the bank yet."""

    waiting: int
    unreadable: tuple[str, ...]


def queue_of(conn: Connection, chain: str) -> Queue:
    """Lessons that wait for the bank of this hive, and those among them that cannot be read."""
    waiting = pending_count(conn, chain)
    return Queue(waiting, tuple(unreadable(conn, chain)) if waiting else ())


def folded_since(
    conn: Connection, chain: str, since: datetime
) -> dict[str, tuple[datetime, str | None]]:
    """Event id to (when it was folded here, lead) of lessons folded or made since."""
    rows = conn.execute(
        select(lessons.c.event_id, lesson_folds.c.folded_at, lessons.c.lead_id)
        .join(lesson_folds, lesson_folds.c.event_id == lessons.c.event_id)
        .where(
            lesson_folds.c.chain == chain,
            or_(lesson_folds.c.folded_at >= iso(since), lessons.c.created_at >= iso(since)),
        )
    )
    return {row.event_id: (parse(row.folded_at), row.lead_id) for row in rows}


def learned(
    items: Iterable[Item],
    folded: dict[str, tuple[datetime, str | None]],
    people: ApproverList,
    since: datetime,
) -> list[Learned]:
    """Everything since then, the latest first."""
    touched: dict[str, list[tuple[Item, Evidence]]] = {}
    for item in items:
        for one in item.evidence:
            if one.actor != CONFIGURED and (one.event_id in folded or one.at >= since):
                touched.setdefault(one.event_id, []).append((item, one))
    found = [_told(event, of, folded, people) for event, of in touched.items()]
    return sorted(found, key=lambda one: (one.learned_at, one.event_id), reverse=True)


def _told(
    event_id: str,
    of: list[tuple[Item, Evidence]],
    folded: dict[str, tuple[datetime, str | None]],
    people: ApproverList,
) -> Learned:
    one = of[0][1]
    learned_at, lead_id = folded.get(event_id, (one.at, None))
    person = people.by_id(one.actor)
    return Learned(
        event_id=event_id,
        happened_at=one.at,
        learned_at=learned_at,
        outcome=one.outcome,
        reason_code=one.reason_code,
        text=one.text if one.trust == "human" else "",
        who=person.name if person is not None else one.actor,
        trust=one.trust,
        lead_id=lead_id,
        items=tuple((item.id, item.title, item.status) for item, _ in of),
    )
