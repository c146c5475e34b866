"""Facts on their way to the long-term memory. Owns: writing one into the outbox, and whether to.

A fact goes into the outbox in the transaction that makes it one, so that neither is there without
the other; `orchestrator.memory` carries it on. Each has a key for ever: sending it twice is sending
it once. Refuses names: people stand in it by salted ids only. Where no memory is configured nothing
is written, so that no outbox grows which nobody empties.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, bindparam, delete, select

from guardrails.model import digest
from guardrails.store.fleet_tables import memory_cursors, memory_outbox
from guardrails.store.rows import insert_if_absent

_SWITCH, _ORIGIN = "outbox", "origin"
BELIEVED_S = 5.0  # how long a process goes on without looking at the switch again
_IS_ON = select(memory_cursors.c.name).where(memory_cursors.c.name == bindparam("name"))
_looked: WeakKeyDictionary[Engine, tuple[bool, float]] = WeakKeyDictionary()


class Fact(StrEnum):
    """What is remembered. All but the last never change once they are."""

    LEAD = "lead"  # how a row of a run ended
    DECISION = "decision"  # the essentials of an audit record
    TOUCH = "touch"  # an e-mail went out
    OUTCOME = "outcome"  # what became of it
    LESSON = "lesson"  # what banks learn from
    SUPPRESSION = "suppression"  # whom nobody may write to, by keyed hash
    HEAD = "head"  # the last record of an audit chain at some moment
    ERASURE = "erasure"  # a person was forgotten: whatever is older and theirs goes


def remember(
    conn: Connection,
    fact: Fact,
    key: str,
    at: str,
    document: Mapping[str, Any],
    lead_id: str | None = None,
) -> None:
    """Put a fact into the outbox, inside the caller's transaction, if there is a memory.

    Args:
        key: names the fact for ever; within this database unless it is a lesson's or a hash.
        at: now, as UTC text: the outbox is sent in this order.
        document: the columns of its table there (config/supabase), as JSON-like values.
        lead_id: salted, of whom it is about.
    """
    if not remembers(conn):
        return
    told = json.dumps(document, ensure_ascii=False)
    row = {
        # Another statement of the same moment is another row: whoever has sent one is not done with
        # the other.
        "outbox_id": f"{at}-{digest([fact.value, key, told])[:16]}",
        "kind": fact.value,
        "key": key,
        "lead_id": lead_id,
        "document": told,
        "attempts": 0,
        "not_before": None,
        "note": None,
        "created_at": at,
    }
    insert_if_absent(conn, memory_outbox, row)


def remembers(conn: Connection) -> bool:
    """Whether this database has a memory to send facts to; looked up every few seconds."""
    engine, now = conn.engine, time.monotonic()
    on, until = _looked.get(engine, (False, 0.0))
    if now >= until:
        on = conn.execute(_IS_ON, {"name": _SWITCH}).first() is not None
        _looked[engine] = (on, now + BELIEVED_S)
    return on


def begin(conn: Connection, at: str, new_origin: str) -> str:
    """From now on facts are remembered. In a write transaction.

    Args:
        new_origin: a random name for this database, taken if it has none yet.

    Returns:
        The database's name in the memory, the same for ever.
    """
    for name, position in ((_ORIGIN, new_origin), (_SWITCH, "on")):
        row = {"name": name, "position": position, "updated_at": at}
        insert_if_absent(conn, memory_cursors, row)
    _looked.pop(conn.engine, None)
    named = select(memory_cursors.c.position).where(memory_cursors.c.name == _ORIGIN)
    origin: str = conn.execute(named).scalar_one()
    return origin


def end(conn: Connection) -> None:
    """There is no memory any more: nothing is written for it, and what waits is let go."""
    conn.execute(delete(memory_cursors).where(memory_cursors.c.name == _SWITCH))
    conn.execute(delete(memory_outbox))
    _looked.pop(conn.engine, None)


def remember_record(conn: Connection, record: Mapping[str, Any]) -> None:
    """The essentials of an audit record: what was decided, about whom, and where it stands."""
    body = record["body"]
    reasons = [one.get("code") for one in body.get("reasons") or () if isinstance(one, Mapping)]
    document = {
        "audit_id": record["audit_id"],
        "chain": record["chain"],
        "seq": record["seq"],
        "hash": record["hash"],
        "at": record["at"],
        "kind": record["kind"],
        "actor": record["actor"],
        "lead_id": record["lead_id"],
        "run_id": record["run_id"],
        "decision_id": record["decision_id"],
        "verdict": body.get("verdict"),
        "state": body.get("state"),
        "reasons": reasons,
        "mode": body.get("mode"),
        "policy_version": body.get("policy_version"),
        "bank_version": body.get("bank_version"),
        "template_hash": body.get("template_hash"),
        "content_hash": body.get("content_hash"),
    }
    remember(conn, Fact.DECISION, record["audit_id"], record["at"], document, record["lead_id"])


def forget(conn: Connection, lead_id: str, at: str) -> int:
    """A person is forgotten: nothing about them is sent any more, and what was sent goes.

    Gives how many facts had not been sent. What was sent is erased there by the outbox, in order.
    Who is forgotten again later is a fact of its own: what they left in between goes as well.
    """
    theirs = memory_outbox.c.lead_id == lead_id, memory_outbox.c.kind != Fact.ERASURE.value
    unsent = conn.execute(delete(memory_outbox).where(*theirs)).rowcount
    remember(conn, Fact.ERASURE, f"{lead_id}:{at}", at, {"lead_id": lead_id, "at": at}, lead_id)
    return unsent
