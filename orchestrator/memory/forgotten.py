"""Lessons about people who were forgotten. Owns: that their words do not come back from elsewhere.

The memory keeps such words out itself where the erasure was there before them. What another
database had said before stands there with its words until that database forgets the person, too:
meanwhile whoever has forgotten, or hears of it, takes the lesson in without them. What it counts
for stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Connection, select

from guardrails.clock import parse
from guardrails.remembering import Fact
from guardrails.store import Store
from guardrails.store.fleet_tables import memory_outbox
from guardrails.store.people_tables import lessons

TABLE = "swarm_erasures"
_ASKED = 100  # people in one question
_ALWAYS = datetime.max.replace(tzinfo=UTC)
Forgotten = dict[str, datetime]  # a lead's id, and until when what is theirs has no words


class Pages(Protocol):
    """What gives rows: `MemoryWire`."""

    async def page(
        self, table: str, filters: Mapping[str, tuple[str, str]], order: Sequence[str], offset: int
    ) -> list[dict[str, Any]]:
        """See `MemoryWire`."""


async def forgotten_among(
    store: Store, pages: Pages, events: Sequence[Mapping[str, Any]]
) -> Forgotten:
    """Whom of those that these lessons speak of the memory knows as forgotten; asked only about
    lessons that are new here and have words.

    Raises:
        MemoryAway, MemoryRefused, StoreUnavailable.
    """
    spoken = {str(one.get("event_id")): lead for one in events if (lead := _spoken_of(one))}
    if not spoken:
        return {}
    query = select(lessons.c.event_id).where(lessons.c.event_id.in_(list(spoken)))
    known = await store.query(lambda conn: set(conn.execute(query).scalars()))
    who = sorted({lead for event_id, lead in spoken.items() if event_id not in known})
    found: Forgotten = {}
    for start in range(0, len(who), _ASKED):
        wanted = {"lead_id": ("in", f"({','.join(who[start : start + _ASKED])})")}
        offset = 0
        while rows := await pages.page(TABLE, wanted, ("key",), offset):
            for row in rows:
                _note(found, str(row.get("lead_id")), str(row.get("at")))
            offset += len(rows)
    return found


def forgotten_here(conn: Connection, events: Sequence[Mapping[str, Any]]) -> Forgotten:
    """Whom of those we have forgotten, while the memory does not know it yet."""
    who = {lead for one in events if (lead := _spoken_of(one))}
    found: Forgotten = {}
    if not who:
        return found
    query = select(memory_outbox.c.lead_id, memory_outbox.c.created_at)
    theirs = (memory_outbox.c.lead_id.in_(who), memory_outbox.c.kind == Fact.ERASURE.value)
    for row in conn.execute(query.where(*theirs)):
        _note(found, row.lead_id, row.created_at)
    return found


def without_words(event: Mapping[str, Any], *known: Forgotten) -> Mapping[str, Any]:
    """The lesson as it may be taken in, by what is known of the forgotten."""
    moment, lead = _moment(str(event.get("at"))), _spoken_of(event)
    gone = any(lead in forgotten and moment <= forgotten[lead] for forgotten in known)
    return {**event, "text": ""} if gone else event


def _spoken_of(event: Mapping[str, Any]) -> str:
    """Whom its words are about; an act's, if the item is a rule about somebody. Empty: nobody."""
    if not event.get("text"):
        return ""
    key = event.get("key")
    match = key.get("match") if isinstance(key, Mapping) else event
    lead = match.get("lead_id") if isinstance(match, Mapping) else None
    return lead if isinstance(lead, str) else ""


def _note(found: Forgotten, lead_id: str, at: str) -> None:
    try:
        until = parse(at)
    except ValueError:
        until = _ALWAYS
    found[lead_id] = max(until, found.get(lead_id, until))


def _moment(text: str) -> datetime:
    try:
        return parse(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
