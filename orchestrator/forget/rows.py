"""The person's rows. Owns: what is emptied, what is deleted, and what keeps its salted id.

By the lead's id where a table has it, and by the address everywhere else. What proves that nobody
was written to twice, or against their will, stays: ids, hashes, states and times.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Column, Connection, Table, Text, delete, or_, select, update

from guardrails.clock import iso
from guardrails.model import Reason
from guardrails.store.people_tables import approvals, inbox, lessons, slack_messages
from guardrails.store.tables import documents, enrichment_cache, metadata, run_items, shadow_emails
from guardrails.store.write_tables import deliveries
from orchestrator.deliveries import DeliveryState, Ended, ended_by_hand
from orchestrator.forget.person import Person

ERASED = "[erased]"
_KEPT = frozenset({"audit_index", "audit_heads", "suppressions", "runs", "heartbeats"})
_WAITING = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)
_REASON = Reason(code="erased", text="The person asked to be forgotten.")
Counts = dict[str, int]


def in_hand(conn: Connection, person: Person) -> bool:
    """Whether a lead of theirs is being prepared at this moment."""
    statement = select(run_items.c.row).where(
        run_items.c.lead_id == person.lead_id, run_items.c.state.is_(None)
    )
    return conn.execute(statement.limit(1)).first() is not None


def lesson_events(conn: Connection, person: Person) -> frozenset[str]:
    """Events about their e-mails."""
    rows = conn.execute(select(lessons.c.event_id).where(lessons.c.lead_id == person.lead_id))
    return frozenset(row.event_id for row in rows)


def workflows(conn: Connection, person: Person) -> tuple[str, ...]:
    """Beginnings of the names of the engine's workflows about them."""
    rows = conn.execute(
        select(run_items.c.run_id, run_items.c.row).where(run_items.c.lead_id == person.lead_id)
    )
    prepared = [f"prepare:{row.run_id}:{row.row}" for row in rows]
    sent = conn.execute(
        select(deliveries.c.delivery_id).where(deliveries.c.lead_id == person.lead_id)
    )
    return (*prepared, *(f"deliver:{row.delivery_id}" for row in sent))


def erase(conn: Connection, person: Person, at: Any) -> Counts:
    """Everything, in the caller's write transaction; gives how many rows of which table."""
    now = iso(at)
    counts = {table.name: work(conn, person, now) for table, work in _WORK}
    for table in metadata.sorted_tables:
        if table.name not in _KEPT and (number := _scrub(conn, table, person)):
            counts[table.name] = counts.get(table.name, 0) + number
    return {name: number for name, number in counts.items() if number}


def _documents(conn: Connection, person: Person, _now: str) -> int:
    """Emptied: a text under a digest cannot be mended, and the record keeps the digest."""
    theirs = or_(documents.c.lead_id == person.lead_id, *_mentions(documents.c.document, person))
    there = (documents.c.document.is_not(None), theirs)
    return conn.execute(update(documents).where(*there).values(document=None)).rowcount


def _run_items(conn: Connection, person: Person, _now: str) -> int:
    theirs = (run_items.c.lead_id == person.lead_id, run_items.c.lead.is_not(None))
    return conn.execute(update(run_items).where(*theirs).values(lead=None)).rowcount


def _deleted(table: Table) -> Callable[[Connection, Person, str], int]:
    def work(conn: Connection, person: Person, _now: str) -> int:
        theirs = or_(table.c.lead_id == person.lead_id, *_mentions(table.c.document, person))
        return conn.execute(delete(table).where(theirs)).rowcount

    return work


def _inbox(conn: Connection, person: Person, now: str) -> int:
    """Bodies go; what was not yet worked on is done with: nothing of it may be done any more."""
    theirs = or_(inbox.c.lead_id == person.lead_id, *_mentions(inbox.c.body, person))
    there = (inbox.c.body.is_not(None), theirs)
    conn.execute(
        update(inbox).where(*there, inbox.c.state == "new").values(state="done", updated_at=now)
    )
    return conn.execute(update(inbox).where(*there).values(body=None, note=ERASED)).rowcount


def _approvals(conn: Connection, person: Person, _now: str) -> int:
    theirs = (approvals.c.lead_id == person.lead_id, approvals.c.reason_text.is_not(None))
    return conn.execute(update(approvals).where(*theirs).values(reason_text=None)).rowcount


def _lessons(conn: Connection, person: Person, _now: str) -> int:
    """The person's words and the reviewer's; what it counts for stays."""
    rows = conn.execute(select(lessons).where(lessons.c.lead_id == person.lead_id)).all()
    for row in rows:
        silent = json.dumps(json.loads(row.document) | {"text": ""}, ensure_ascii=False)
        here = lessons.c.event_id == row.event_id
        conn.execute(update(lessons).where(here).values(document=silent))
    return len(rows)


def _slack(conn: Connection, person: Person, now: str) -> int:
    """Of notices about them; one that was not posted yet is not posted any more."""
    ids = select(approvals.c.approval_id).where(approvals.c.lead_id == person.lead_id)
    theirs = or_(
        slack_messages.c.approval_id.in_(ids), *_mentions(slack_messages.c.document, person)
    )
    there = (slack_messages.c.document.is_not(None), theirs)
    unposted = update(slack_messages).where(*there, slack_messages.c.state == "new")
    conn.execute(unposted.values(state="failed", note=ERASED, updated_at=now))
    text = json.dumps({"text": ERASED})
    return conn.execute(update(slack_messages).where(*there).values(document=text)).rowcount


def _deliveries(conn: Connection, person: Person, now: str) -> int:
    """Whoever waits to be written to is not written to."""
    rows = conn.execute(
        select(deliveries.c.delivery_id).where(
            deliveries.c.lead_id == person.lead_id, deliveries.c.state.in_(_WAITING)
        )
    ).all()
    for row in rows:
        ended_by_hand(conn, row.delivery_id, Ended(DeliveryState.REFUSED, (_REASON,)), now)
    return len(rows)


_WORK: tuple[tuple[Table, Callable[[Connection, Person, str], int]], ...] = (
    (deliveries, _deliveries),
    (documents, _documents),
    (run_items, _run_items),
    (shadow_emails, _deleted(shadow_emails)),
    (enrichment_cache, _deleted(enrichment_cache)),
    (inbox, _inbox),
    (approvals, _approvals),
    (lessons, _lessons),
    (slack_messages, _slack),
)


def _scrub(conn: Connection, table: Table, person: Person) -> int:
    """Addresses in any other text, in place."""
    columns = [column for column in table.columns if _is_words(column)]
    if not columns or not table.primary_key.columns:
        return 0
    wanted = or_(*(one for column in columns for one in _mentions(column, person)))
    keys = list(table.primary_key.columns)
    rows = conn.execute(select(*keys, *columns).where(wanted)).mappings().all()
    for row in rows:
        clean = {
            column.name: _without(person.pattern, row[column.name])
            for column in columns
            if row[column.name] is not None
        }
        here = (key == row[key.name] for key in keys)
        conn.execute(update(table).where(*here).values(clean))
    return len(rows)


def _is_words(column: Column[Any]) -> bool:
    return isinstance(column.type, Text) and not column.primary_key


def _mentions(column: Column[Any], person: Person) -> Iterator[Any]:
    return (column.icontains(name, autoescape=True) for name in person.names)


def _without(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(ERASED, text)
