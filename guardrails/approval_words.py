"""What a person said with a no. Owns: keeping their words, and the lesson they make.

Words are a document under its digest, so that the audit names them and they can be erased with
the person they are about. The lesson is made from the recorded decision and the recorded end
alone: whoever follows the record makes the same one.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from guardrails.approval_model import Approval
from guardrails.audit import AuditLog
from guardrails.bank.models import Lesson
from guardrails.clock import parse
from guardrails.documents import Document, load
from guardrails.errors import AuditBroken, NotFound
from guardrails.lessons import Happened, lesson_of
from guardrails.model import Frozen
from guardrails.policy import GateInputs
from guardrails.store import Store

_LONGEST = 2000


class Said(Frozen):
    """A person's words about one approval."""

    approval_id: str
    text: str = Field(max_length=_LONGEST)


def words_of(approval: Approval, text: str) -> Document | None:
    """The words, to be kept; None when nothing was said.

    Without what a database refuses: the record stands by then, and could not be followed.
    """
    said = text.encode(errors="replace").decode().replace("\0", "").strip()[:_LONGEST]
    if not said:
        return None
    model = Said(approval_id=approval.approval_id, text=said)
    return Document.of("approval_words", model, approval.lead_id)


def lesson_from(store: Store, audit: AuditLog, record: dict[str, Any]) -> tuple[str, Lesson]:
    """Words and lesson of a recorded rejection.

    Raises:
        AuditBroken: the decision it is about is not on record.
    """
    body = record["body"]
    words = _words(store, body["words_digest"])
    decision = audit.find(body["decision_audit_id"])
    if decision is None:
        raise AuditBroken(f"the decision that {body['approval_id']} is about is not on record")
    try:
        inputs = load(store, decision["body"]["inputs_digest"], GateInputs)
    except NotFound:
        inputs = None  # erased: the pattern is still on record
    what = Happened(
        event_id=f"rejection:{body['approval_id']}",
        outcome="rejection",
        at=parse(body["ended_at"]),
        actor=body["by"],
        trust="human",
        reason_code=body["reason_code"],
        text=words,
    )
    return words, lesson_of(decision, inputs, what)


def _words(store: Store, digest: str | None) -> str:
    if digest is None:
        return ""
    try:
        return load(store, digest, Said).text
    except NotFound:
        return ""
