"""Facts as rows of the project's tables. Owns: the columns of each, keys, and a lesson's seal.

Every row of a table has the same columns, so that a batch is one request. Keys are prefixed with
the database's name, except for what is the same fact wherever it was made. A lesson is sealed with
the hives' salt: what the memory altered, or made up, is taken for a lesson by nobody.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guardrails.audit import without_addresses
from guardrails.model import canonical_json
from guardrails.remembering import Fact

_LABEL = b"chiefaiofficer-swarm lesson"
_GLOBAL = frozenset({Fact.LESSON, Fact.SUPPRESSION})


@dataclass(frozen=True)
class Shelf:
    """Where facts of a kind stand.

    Args:
        columns: beside key, origin and sandbox.
        merge: a later statement of the fact replaces the former one.
    """

    table: str
    columns: tuple[str, ...]
    merge: bool = False


SHELVES: Mapping[Fact, Shelf] = {
    Fact.LEAD: Shelf(
        "swarm_leads",
        ("lead_id", "run_id", "row", "audit_id", "at", "state", "reasons", "mode", "score", "tier",
         "segment", "persona", "cost_micros"),
    ),
    Fact.DECISION: Shelf(
        "swarm_decisions",
        ("audit_id", "chain", "seq", "hash", "at", "kind", "actor", "lead_id", "run_id",
         "decision_id", "verdict", "state", "reasons", "mode", "policy_version", "bank_version",
         "template_hash", "content_hash"),
    ),
    Fact.TOUCH: Shelf("swarm_touches", ("lead_id", "run_id", "audit_id", "channel", "at")),
    Fact.OUTCOME: Shelf(
        "swarm_outcomes",
        ("lead_id", "kind", "reply_class", "vendor", "write_key", "audit_id", "at"),
    ),
    Fact.LESSON: Shelf("swarm_lessons", ("lead_id", "event", "mac", "at"), merge=True),
    Fact.SUPPRESSION: Shelf("swarm_suppressions", ("kind", "reason", "source", "at")),
    Fact.HEAD: Shelf("swarm_heads", ("chain", "seq", "hash", "at")),
    Fact.ERASURE: Shelf("swarm_erasures", ("lead_id", "at")),
}  # fmt: skip
# Where a person's facts are deleted; of lessons the words go, by a statement of their own.
FORGOTTEN_IN = ("swarm_leads", "swarm_decisions", "swarm_touches", "swarm_outcomes")


@dataclass(frozen=True)
class Sender:
    """In whose name rows are made.

    Args:
        origin: the database's name in the memory.
        salt: the hives' own.
    """

    origin: str
    sandbox: bool
    salt: bytes


def made(
    sender: Sender, fact: Fact, key: str, document: str, lead_id: str | None
) -> dict[str, Any]:
    """The row of a fact in the outbox.

    Raises:
        ValueError: the outbox holds no such document.
    """
    told = json.loads(document)
    if not isinstance(told, dict):
        raise ValueError("no document of a fact")
    if fact is Fact.LESSON:
        event = without_addresses(told["event"])  # a person's words may hold one
        told = {"event": event, "at": event["at"], "mac": seal(sender.salt, event)}
    shelf = SHELVES[fact]
    row = {column: told.get(column) for column in shelf.columns}
    if "lead_id" in shelf.columns:
        row["lead_id"] = lead_id
    name = key if fact in _GLOBAL else f"{sender.origin}/{key}"
    return {"key": name, "origin": sender.origin, "sandbox": sender.sandbox, **row}


def silenced(sender: Sender, row: Mapping[str, Any]) -> dict[str, Any]:
    """A lesson's row without a person's words: what it counts for stays."""
    event = {**row["event"], "text": ""}
    return {**row, "event": event, "mac": seal(sender.salt, event)}


def seal(salt: bytes, event: Mapping[str, Any]) -> str:
    """What only a hive with this salt can say of an event."""
    return hmac.digest(salt, _LABEL + canonical_json(event), "sha256").hex()


def sealed(salt: bytes, event: object, mac: object) -> bool:
    """Whether a hive with this salt said exactly that."""
    if not isinstance(event, dict) or not isinstance(mac, str) or not mac.isascii():
        return False
    try:
        return hmac.compare_digest(seal(salt, event), mac)
    except (TypeError, ValueError):
        return False
