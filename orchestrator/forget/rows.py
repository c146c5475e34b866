"""The person's rows. Owns: what is emptied, what is deleted, and what keeps its salted id.

By the lead's id where a table has it, and by the address everywhere else. What proves that nobody
was written to twice, or against their will, stays: ids, hashes, states and times.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    String,
    Table,
    delete,
    inspect,
    or_,
    select,
    update,
)

from guardrails import remembering
from guardrails.clock import iso, parse
from guardrails.model import Reason
from guardrails.remembering import Fact, remember
from guardrails.store.fleet_tables import memory_outbox
from guardrails.store.people_tables import approvals, inbox, lessons, slack_messages
from guardrails.store.tables import documents, enrichment_cache, run_items, shadow_emails
from guardrails.store.write_tables import deliveries
from orchestrator.deliveries import DeliveryState, Ended, ended_by_hand
from orchestrator.forget.engine_rows import ENGINE_SCHEMA
from orchestrator.forget.person import Person
from orchestrator.inbox import Source
from orchestrator.slack.outbox import show_again

ERASED = "[erased]"
_SILENT = json.dumps({"text": ERASED})
_KEPT = frozenset({"audit_index", "audit_heads", "suppressions"})  # hashes and salted ids
_WAITING = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)
_REASON = Reason(code="erased", text="The person asked to be forgotten.")
Counts = dict[str, int]


def in_hand(conn: Connection, person: Person) -> bool:
    """Whether a lead of theirs is being prepared at this moment."""
    statement = select(run_items.c.row).where(
        run_items.c.lead_id == person.lead_id, run_items.c.state.is_(None)
    )
    return conn.execute(statement.limit(1)).first() is not None


def handed_in(conn: Connection, person: Person) -> str | None:
    """The delivery of leads, not taken up yet, that names them among others; None when none does.

    To empty it would lose the others.
    """
    body = inbox.c.body
    many = (inbox.c.source == Source.SUBMISSION.value, body.is_not(None))
    rows = conn.execute(select(inbox.c.id, body).where(*many, person.may_stand_in(body)))
    return next((row.id for row in rows if person.stands_in(iter((row.body,)))), None)


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
    # As the database has them: also tables that this version does not know, and the engine's.
    there = MetaData()
    there.reflect(conn)
    if conn.dialect.name == "postgresql" and inspect(conn).has_schema(ENGINE_SCHEMA):
        there.reflect(conn, schema=ENGINE_SCHEMA)
    for table in there.sorted_tables:
        if table.name not in _KEPT and (number := _scrub(conn, table, person)):
            counts[table.name] = counts.get(table.name, 0) + number
    return {name: number for name, number in counts.items() if number}


def _documents(conn: Connection, person: Person, _now: str) -> int:
    """Emptied: a text under a digest cannot be mended, and the record keeps the digest."""
    theirs = _theirs(conn, documents, "document", person)
    there = documents.c.digest.in_(theirs)
    return conn.execute(update(documents).where(there).values(document=None)).rowcount


def _run_items(conn: Connection, person: Person, _now: str) -> int:
    theirs = (run_items.c.lead_id == person.lead_id, run_items.c.lead.is_not(None))
    return conn.execute(update(run_items).where(*theirs).values(lead=None)).rowcount


def _deleted(table: Table) -> Callable[[Connection, Person, str], int]:
    """Rows that are about them alone."""

    def work(conn: Connection, person: Person, _now: str) -> int:
        theirs = table.c.lead_id == person.lead_id
        return conn.execute(delete(table).where(theirs)).rowcount

    return work


def _inbox(conn: Connection, person: Person, now: str) -> int:
    """Bodies go; what was not yet worked on is done with: nothing of it may be done any more."""
    there = inbox.c.id.in_(_theirs(conn, inbox, "body", person))
    conn.execute(
        update(inbox).where(there, inbox.c.state == "new").values(state="done", updated_at=now)
    )
    return conn.execute(update(inbox).where(there).values(body=None, note=ERASED)).rowcount


def _approvals(conn: Connection, person: Person, _now: str) -> int:
    theirs = (approvals.c.lead_id == person.lead_id, approvals.c.reason_text.is_not(None))
    return conn.execute(update(approvals).where(*theirs).values(reason_text=None)).rowcount


def _lessons(conn: Connection, person: Person, now: str) -> int:
    """The reviewer's words about them; what it counts for stays.

    Each is told to the long-term memory again, whether it ever had words or lost them by a former
    erasure: what waited to be told of it has just been let go.
    """
    emptied = 0
    for row in conn.execute(select(lessons).where(lessons.c.lead_id == person.lead_id)).all():
        document = json.loads(row.document)
        silent = document | {"text": ""}
        if document != silent:
            here = lessons.c.event_id == row.event_id
            text = json.dumps(silent, ensure_ascii=False)
            emptied += conn.execute(update(lessons).where(here).values(document=text)).rowcount
        remember(conn, Fact.LESSON, row.event_id, now, {"event": silent}, person.lead_id)
    return emptied


def _memory(conn: Connection, person: Person, now: str) -> int:
    """What was not sent to the long-term memory is not sent; what was sent is erased there."""
    return remembering.forget(conn, person.lead_id, now)


def _slack(conn: Connection, person: Person, now: str) -> int:
    """Notices about them; one that was not posted yet is not posted any more.

    What Slack shows is shown anew by the gateway, now that nothing is left to be read.
    """
    show_again(conn, person.lead_id, parse(now))
    ids = select(approvals.c.approval_id).where(approvals.c.lead_id == person.lead_id)
    there = (
        slack_messages.c.approval_id.in_(ids),
        slack_messages.c.document.is_not(None),
        slack_messages.c.document != _SILENT,
    )
    unposted = update(slack_messages).where(*there, slack_messages.c.state == "new")
    nothing = {"state": "failed", "wanted": slack_messages.c.shown, "note": ERASED}
    conn.execute(unposted.values(**nothing, updated_at=now))
    return conn.execute(update(slack_messages).where(*there).values(document=_SILENT)).rowcount


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
    (memory_outbox, _memory),
    (lessons, _lessons),
    (slack_messages, _slack),
)


def _theirs(conn: Connection, table: Table, column: str, person: Person) -> list[str]:
    """Keys of rows whose text is theirs by the lead's id, or names them."""
    (key,), words = table.primary_key.columns, table.c[column]
    wanted = or_(table.c.lead_id == person.lead_id, person.may_stand_in(words))
    rows = conn.execute(select(key, table.c.lead_id, words).where(words.is_not(None), wanted))
    return [
        row[0] for row in rows if row.lead_id == person.lead_id or person.stands_in(iter((row[2],)))
    ]


def _scrub(conn: Connection, table: Table, person: Person) -> int:
    """Their address in any other text, in place."""
    columns = [column for column in table.columns if _is_words(column)]
    if not columns or not table.primary_key.columns:
        return 0
    wanted = or_(*(person.may_stand_in(column) for column in columns))
    keys = list(table.primary_key.columns)
    changed = 0
    for row in conn.execute(select(*keys, *columns).where(wanted)).mappings().all():
        texts = {column.name: row[column.name] for column in columns}
        if not person.stands_in(iter(texts.values())):
            continue
        clean = {name: person.pattern.sub(ERASED, text) for name, text in texts.items() if text}
        here = (key == row[key.name] for key in keys)
        changed += conn.execute(update(table).where(*here).values(clean)).rowcount
    return changed


def _is_words(column: Column[Any]) -> bool:
    return isinstance(column.type, String) and not column.primary_key
