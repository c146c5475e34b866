"""A person's yes, as an authorization needs it. Owns: what makes it count at the moment of sending.

The row is not believed: its record is read back, and both must say the same of the same text.
Refuses a yes from somebody who is not on the list any more, or who wrote the text; what the
person did not see (a reason for review that arose since) is not covered by it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guardrails.approval_model import Approval, ApprovalState
from guardrails.approval_rows import end_id, of_decision
from guardrails.approvers import ApproverList
from guardrails.audit import AuditLog
from guardrails.authorize_checks import Decided, blocked, passed
from guardrails.model import Check, LeadState, Verdict
from guardrails.store import Store

_MOVING = frozenset({"bank"})  # its figures decay from minute to minute
_PERSONS = frozenset({LeadState.AWAITING_APPROVAL, LeadState.REVIEW})


@dataclass(frozen=True)
class PersonsWord:
    """What a person's word on a decision comes to. `approver` is their salted id when it is yes."""

    check: Check
    approver: str | None = None


def needs_person(decided: Decided) -> bool:
    """Whether only a person could let this decision's e-mail go."""
    body = decided.body
    return body.get("state") in _PERSONS and body.get("content_hash") is not None


def read_word(
    store: Store, audit: AuditLog, approvers: ApproverList, decided: Decided
) -> PersonsWord | None:
    """The word on this decision; None when it needs none.

    Raises:
        StoreUnavailable, AuditBroken: nobody can tell.
    """
    record = decided.record
    if record is None or not needs_person(decided):
        return None
    with store.read() as conn:
        found = of_decision(conn, record["audit_id"])
    ended = audit.find(end_id(found.approval_id)) if found is not None else None
    return word(found, ended, decided, approvers)


def word(
    found: Approval | None,
    ended: Mapping[str, Any] | None,
    decided: Decided,
    approvers: ApproverList,
) -> PersonsWord:
    """Judge a row and the record of how it ended. Pure."""
    if found is None or found.state is ApprovalState.WAITING:
        return _no("approval_missing", "No person has approved this e-mail.", "an approver does")
    if found.state is not ApprovalState.APPROVED:
        return _no(f"approval_{found.state.value}", f"The approval was {found.state.value}.")
    if ended is None or not _same(found, ended, decided):
        return _no("approval_forged", "Row and record of the approval do not say the same.")
    who = approvers.by_id(str(found.ended_by))
    if who is None:
        return _no("approver_removed", "Who approved it is not an approver any more.")
    if who.id == found.author:
        return _no("approver_wrote_it", "Who approved it wrote it: somebody else must approve.")
    return PersonsWord(passed("approval", f"{who.id} approved exactly this text."), who.id)


def covered(checks: Sequence[Check], decided: Decided) -> list[Check]:
    """`checks`, where the reasons for review that the approver saw count as answered."""
    seen = {
        _reason(check["rule"], check["code"], check["text"])
        for check in decided.body["checks"]
        if _is_review(check)
    }
    return [_answered(check) if _reviewed(check, seen) else check for check in checks]


def _reviewed(check: Check, seen: Container[tuple[str, str, str]]) -> bool:
    return check.verdict is Verdict.REVIEW and _reason(check.rule, check.code, check.text) in seen


def _answered(check: Check) -> Check:
    text = f"{check.text} A person saw this and approved."
    return check.model_copy(update={"verdict": Verdict.PASS, "text": text})


def _same(found: Approval, ended: Mapping[str, Any], decided: Decided) -> bool:
    body, record = ended["body"], decided.record
    stated = (
        ended["kind"],
        body.get("end"),
        body.get("approval_id"),
        body.get("decision_audit_id"),
        body.get("content_hash"),
        body.get("by"),
        body.get("author"),
    )
    return record is not None and stated == (
        "approval",
        ApprovalState.APPROVED.value,
        found.approval_id,
        record["audit_id"],
        decided.body["content_hash"],
        found.ended_by,
        found.author,
    )


def _is_review(check: Mapping[str, Any]) -> bool:
    return bool(check["verdict"] == Verdict.REVIEW.value)


def _reason(rule: str, code: str, text: str) -> tuple[str, str, str]:
    """What a person saw: "contacted in January" is another reason than "contacted yesterday"."""
    return rule, code, "" if rule in _MOVING else text


def _no(code: str, text: str, would_pass_if: str | None = None) -> PersonsWord:
    return PersonsWord(blocked("approval", code, text, would_pass_if))
