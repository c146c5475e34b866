"""What people are told about approvals. Owns: the words of every answer to a person's word."""

from __future__ import annotations

from guardrails.approval_model import Answer, AnswerKind, Approval, ApprovalState
from guardrails.approvers import ApproverList
from guardrails.brakes.stop import StopState


def told(approvers: ApproverList, found: Approval) -> Answer:
    """What somebody who comes late is told."""
    if found.state is ApprovalState.EXPIRED:
        return Answer(AnswerKind.EXPIRED, "It had expired: not sent.", found)
    who = approvers.by_id(found.ended_by or "")
    by = f" by {who.name}" if who else ""
    at = f" at {found.ended_at:%H:%M} UTC" if found.ended_at else ""
    return Answer(AnswerKind.ALREADY, f"Already {found.state.value}{by}{at}.", found)


def done(state: ApprovalState, stop: StopState) -> str:
    """What somebody is told whose word counted."""
    if state is not ApprovalState.APPROVED:
        return f"{state.value.capitalize()}."
    if stop.stopped:
        return f"Approved. The swarm is stopped ({stop.reason}): it goes out after the resume."
    return "Approved: it goes out in its recipient's hours."


def not_found() -> Answer:
    """Nothing is under that id."""
    return Answer(AnswerKind.NOT_FOUND, "There is no such approval here.")
