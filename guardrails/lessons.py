"""What the bank has to learn, on its way there. Owns: making lessons, and the queue of them.

A lesson is written in the transaction that makes it; `lesson_folding` brings it into the banks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from guardrails.addresses import without_addresses
from guardrails.bank import Lesson
from guardrails.bank.models import Event, Outcome, ReasonCode, Trust
from guardrails.errors import BadInput
from guardrails.model import Scope
from guardrails.policy import GateInputs
from guardrails.remembering import Fact, remember
from guardrails.store import insert_if_absent
from guardrails.store.people_tables import lessons as table

_LONGEST_ID, _LONGEST_LEAD = 200, 80  # as the table has them
_LONGEST_WORDS = 2000  # as a lesson has them


@dataclass(frozen=True)
class Happened:
    """What happened to an e-mail, and who says so.

    Args:
        event_id: names the event for ever; the same id is the same event.
        actor: a person's salted id or name, or the vendor.
        text: a person's words; nothing that a lead wrote (P9).
    """

    event_id: str
    outcome: Outcome
    at: datetime
    actor: str
    trust: Trust
    reason_code: ReasonCode | None = None
    text: str = ""


def lesson_of(record: Mapping[str, Any], inputs: GateInputs | None, what: Happened) -> Lesson:
    """What `what` teaches about the e-mail of a recorded decision.

    Args:
        record: the audit record of its review.
        inputs: what it was decided from; None when that was erased, which loses the structure.

    Raises:
        BadInput: the record is about no draft.
    """
    body = record["body"]
    if not body.get("scope"):
        raise BadInput(f"decision {record.get('audit_id')} is about no draft: nothing to learn")
    draft = inputs.draft if inputs is not None else None
    return Lesson(
        event_id=what.event_id,
        at=what.at,
        outcome=what.outcome,
        reason_code=what.reason_code,
        # The same words in every bank: the memory carries none that name an address.
        text=without_addresses(what.text)[:_LONGEST_WORDS],
        actor=what.actor,
        trust=what.trust,
        lead_id=record["lead_id"],
        scope=Scope.model_validate(body["scope"]),
        template_hash=body["template_hash"],
        content_hash=body["content_hash"],
        features=dict(draft.features) if draft is not None else {},
    )


def record_lesson(conn: Connection, lesson: Event, at: str, *, from_memory: bool = False) -> bool:
    """Queue a lesson, once for its event id, inside the caller's transaction; `at` is UTC text.

    A person's act on an item is queued in the same way: other hives' banks learn of it.

    Args:
        from_memory: the long-term memory has it already.

    Returns:
        Whether it is new.
    """
    values = {
        "event_id": lesson.event_id,
        "lead_id": _about(lesson),
        "document": lesson.model_dump_json(),
        "created_at": at,
    }
    new = insert_if_absent(conn, table, values)
    if new and not from_memory:
        document = {"event": lesson.model_dump(mode="json")}
        remember(conn, Fact.LESSON, lesson.event_id, at, document, values["lead_id"])
    return new


def _about(event: Event) -> str | None:
    """The lead whose erasure takes its words: an act's, if the item is a rule about one."""
    if isinstance(event, Lesson):
        return event.lead_id
    return event.key.match.lead_id


def keep_unread(conn: Connection, event: Mapping[str, Any], at: str) -> bool:
    """Queue a lesson of ours that a newer version wrote, as it is: it waits for a hive that can
    read it, and `unreadable` names it meanwhile. `at` is UTC text.

    Returns:
        Whether it is new. What has no fit name is left: no version of ours writes such.
    """
    event_id, lead_id = event.get("event_id"), event.get("lead_id")
    if not isinstance(event_id, str) or not 0 < len(event_id) <= _LONGEST_ID:
        return False
    values = {
        "event_id": event_id,
        "lead_id": lead_id if isinstance(lead_id, str) and len(lead_id) <= _LONGEST_LEAD else None,
        "document": json.dumps(event, ensure_ascii=False),
        "created_at": at,
    }
    return insert_if_absent(conn, table, values)
