"""The card on which a person decides. Owns: what it says, and that it always fits.

Everything that comes from outside is shown as it is and does nothing (`words`); the e-mail itself
stands in rich text, which knows no markup at all. Buttons carry the approval's id and the content
hash, nothing else. Refuses to let anybody approve what the card cannot show in full.
"""

from __future__ import annotations

import re
from typing import Any

from guardrails.approval_model import Approval, ApprovalState
from guardrails.approvers import ApproverList
from orchestrator.approvals.case import ApprovalCase
from orchestrator.slack import card_parts as parts
from orchestrator.slack.client import Message
from orchestrator.slack.outbox import card_id
from orchestrator.slack.words import plain, safe, section

Block = dict[str, Any]
APPROVE, EDIT, REJECT, CONSOLE = "swarm_approve", "swarm_edit", "swarm_reject", "swarm_console"
SEPARATOR = " — "  # in a card's text, between whom it is about and how it stands
_VALUE = re.compile(r"(AP-[0-9a-f]{20})\.([0-9a-f]{64})\Z")
_HEADS = {
    ApprovalState.APPROVED: "Approved",
    ApprovalState.REJECTED: "Rejected: not sent",
    ApprovalState.EXPIRED: "Expired: not sent",
    ApprovalState.SUPERSEDED: "Edited: the new text has a card of its own",
    ApprovalState.WITHDRAWN: "Withdrawn: not sent",
}


def button_value(approval: Approval) -> str:
    """What a button carries."""
    return f"{approval.approval_id}.{approval.content_hash}"


def read_value(value: object) -> tuple[str, str] | None:
    """Approval id and content hash of a button; None when it is none of ours."""
    found = _VALUE.match(value) if isinstance(value, str) else None
    return (found[1], found[2]) if found else None


def plainly(approval_id: str) -> Message:
    """A card without its e-mail, for when Slack would not take the real one."""
    text = f"An e-mail waits that cannot be shown here: swarm approvals show {approval_id}"
    return Message(card_id(approval_id), text, [section(text)])


class Cards:
    """Makes cards. `console_url`: linked when given."""

    def __init__(self, approvers: ApproverList, console_url: str | None = None) -> None:
        self._approvers = approvers
        self._console_url = console_url

    def message(self, case: ApprovalCase) -> Message:
        """The card as the approval stands: with its buttons, or with how it ended."""
        approval = case.approval
        waits = approval.state is ApprovalState.WAITING
        who = parts.who(case)
        head = parts.title(case) if waits else _HEADS[approval.state]
        blocks = [
            _header(f"Sandbox · {head}" if case.sandbox else head),
            *([] if waits else [section(self.ending(approval))]),
            parts.facts(case),
            *(parts.closely(case, self._name(approval.author)) if waits else []),
            *parts.letter(case),
            *parts.claims(case),
            *parts.record(case),
            *(self._actions(case) if waits else []),
            parts.foot(case),
        ]
        text = f"E-mail to {who}{SEPARATOR}{'waits for your yes' if waits else head.lower()}"
        return Message(card_id(approval.approval_id), text, blocks)

    def without_record(self, approval: Approval) -> Message:
        """The end of a card whose e-mail can no longer be read, e.g. because it was erased."""
        head = _HEADS.get(approval.state, "Cannot be shown")
        gone = "What it was about is no longer on record here."
        blocks = [_header(head), section(f"{self.ending(approval)}\n{gone}")]
        return Message(card_id(approval.approval_id), f"{head}. {gone}", blocks)

    def ending(self, approval: Approval) -> str:
        """Who ended it, what they said, and when, as markup."""
        head = _HEADS.get(approval.state, "Waiting").partition(":")[0]
        who = self._name(approval.ended_by)
        said = f"*{head}*{f' by {safe(who, 80)}' if who else ''}"
        if approval.ended_at:
            said += f", {parts.moment(approval.ended_at)}"
        if approval.ended_via and approval.ended_via not in ("slack", "swarm"):
            said += f" ({approval.ended_via})"
        reason = ": ".join(filter(None, (approval.reason_code, approval.reason_text)))
        return f"{said}\n{safe(reason, 1500)}" if reason else said

    def _name(self, person_id: str | None) -> str | None:
        found = self._approvers.by_id(person_id) if person_id else None
        return found.name if found else None

    def _actions(self, case: ApprovalCase) -> list[Block]:
        approval, buttons = case.approval, []
        if parts.shown_whole(case):
            buttons = [_button(APPROVE, "Approve", approval, "primary")]
            buttons += [_button(EDIT, "Edit…", approval)]
        buttons += [_button(REJECT, "Reject…", approval, "danger")]
        if self._console_url:
            url = f"{self._console_url.rstrip('/')}/approvals/{approval.approval_id}"
            link = {"type": "button", "action_id": CONSOLE, "text": plain("Open console")}
            buttons.append(link | {"url": url})
        return [{"type": "actions", "block_id": card_id(approval.approval_id), "elements": buttons}]


def _header(text: str) -> Block:
    return {"type": "header", "text": plain(text)}


def _button(action: str, label: str, approval: Approval, style: str | None = None) -> Block:
    value = button_value(approval)
    made = {"type": "button", "action_id": action, "text": plain(label), "value": value}
    return made | {"style": style} if style else made
