"""An outcome on record, and what the bank hears of it. Owns: both forms.

The record names nobody but by id and holds nothing of an answer but the rule of ours that read it.
Nothing is learned about an e-mail whose decision is not on record here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from guardrails.audit import AuditEntry, without_addresses
from guardrails.auto_pause import Finding
from guardrails.bank import Lesson
from guardrails.clock import iso
from guardrails.lessons import Happened, lesson_of
from guardrails.model import Draft
from guardrails.outcomes import RULES, outcome_lesson, trust_of
from guardrails.policy import GateInputs
from orchestrator.outcomes.effects import Judged, suppression_of


@dataclass(frozen=True)
class Decision:
    """The recorded decision behind an e-mail, and what it was made from if that is still there."""

    record: dict[str, Any] | None
    inputs: GateInputs | None

    @property
    def draft(self) -> Draft | None:
        return self.inputs.draft if self.inputs is not None else None


def lessons_of(judged: Judged, decision: Decision) -> list[Lesson]:
    """What the bank hears; only about an e-mail whose decision is on record."""
    outcome = outcome_lesson(judged.kind, judged.reply_class)
    record = decision.record
    if outcome is None or record is None or not record["body"].get("scope"):
        return []
    happened = Happened(
        event_id=f"outcome:{judged.event.outcome_id}",
        outcome=outcome,
        at=judged.event.at,
        actor=_actor(judged),
        trust=trust_of(judged.kind, judged.said, sent=judged.match.sent),
    )
    found = [lesson_of(record, decision.inputs, happened)]
    if judged.angry:
        anger = replace(happened, event_id=f"{happened.event_id}:angry", outcome="angry_reply")
        found.append(lesson_of(record, decision.inputs, anger))
    return found


def entry_of(judged: Judged, inbox_id: str | None) -> AuditEntry:
    """The record of an outcome: ids, codes and our own rule; no address, nothing of the answer."""
    body = {
        "outcome_id": judged.event.outcome_id,
        "kind": judged.kind.value,
        "said": judged.said,
        "vendor": judged.event.vendor,
        "reply_class": judged.reply_class,
        "rule": judged.rule,
        "angry": judged.angry,
        "to_person": judged.to_person,
        "parked_until": judged.until.isoformat() if judged.until else None,
        "write_key": judged.match.write_key,
        "decision_audit_id": judged.match.decision_audit_id,
        "sent": judged.match.sent,
        "suppressed": suppression_of(judged),
        "leaves": RULES[judged.kind].leaves,
        "lessons": [
            {"event_id": one.event_id, "outcome": one.outcome, "trust": one.trust}
            for one in judged.lessons
        ],
        "happened_at": iso(judged.event.at),
        "inbox_id": inbox_id,
    }
    return AuditEntry(
        kind="outcome",
        actor=_actor(judged),
        body=without_addresses(body),
        decision_id=f"outcome:{judged.event.outcome_id}",
        lead_id=judged.match.lead_id,
        run_id=judged.match.run_id,
    )


def pause_entry(found: Finding, judged: Judged, now: datetime) -> AuditEntry:
    body = {
        "pause": found.code,
        "text": found.text,
        "until": iso(found.until) if found.until else None,
        "count": found.count,
        "of": found.of,
        "limit": found.limit,
        "outcome_id": judged.event.outcome_id,
        "at": iso(now),
    }
    return AuditEntry(kind="pause", actor="swarm", body=body, decision_id=found.key[:80])


def note_of(judged: Judged) -> str:
    what = judged.kind.value + (f" ({judged.reply_class})" if judged.reply_class else "")
    return what if judged.match.lead_id else f"{what}, of nobody known here"


def _actor(judged: Judged) -> str:
    return "recipient" if judged.event.vendor == "link" else judged.event.vendor
