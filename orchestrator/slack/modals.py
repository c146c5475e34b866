"""The modals: an edit, a rejection, an answer. Owns: their fields, and reading them back.

A submitted modal says neither channel nor message, so both travel in its private metadata, with
the approval's id and the content hash that the person saw.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from guardrails.approval_model import REASON_CODES
from orchestrator.approvals.case import ApprovalCase
from orchestrator.slack.words import markup, plain, safe, section

View = dict[str, Any]
EDIT, REJECT = "swarm_edit", "swarm_reject"
SUBJECT, BODY, REASON, WORDS = "subject", "body", "reason", "words"
LONGEST_INPUT, LONGEST_SUBJECT, LONGEST_WORDS = 3000, 200, 2000
_VALUE = "value"
_LABELS = {
    "factual": "A fact is wrong",
    "tone": "The tone is wrong",
    "wrong_person": "The wrong person",
    "competitor": "A competitor",
    "timing": "Not now",
    "compliance": "A legal or consent problem",
    "personalization": "Badly personalised",
    "weak_subject": "Weak subject",
    "weak_cta": "Weak question at the end",
    "length": "Too long or too short",
    "rendering": "Broken text or layout",
    "other": "Something else (say what)",
}


@dataclass(frozen=True)
class About:
    """Which card a modal belongs to."""

    approval_id: str
    content_hash: str
    channel: str
    ts: str

    def metadata(self) -> str:
        """As private metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, metadata: object) -> About | None:
        """Read back; None when it is none of ours."""
        try:
            fields = json.loads(str(metadata))
            found = cls(**fields)
        except (ValueError, TypeError):
            return None
        return found if all(isinstance(value, str) for value in fields.values()) else None


def editing(case: ApprovalCase, about: About) -> View:
    """Subject and body, to be changed."""
    note = "Your text passes every guardrail again. Somebody else must then approve it."
    blocks = [
        {"type": "context", "elements": [markup(f"To {safe(case.to, 200)}. {note}")]},
        _typed(SUBJECT, "Subject", case.draft.subject, LONGEST_SUBJECT),
        _typed(BODY, "Body", case.draft.body, LONGEST_INPUT, lines=True),
    ]
    return _modal(EDIT, "Edit the e-mail", "Check it", blocks, about)


def can_edit(case: ApprovalCase) -> bool:
    """Whether the text fits into Slack's input fields."""
    draft = case.draft
    return len(draft.body) <= LONGEST_INPUT and len(draft.subject) <= LONGEST_SUBJECT


def rejecting(about: About, whom: str) -> View:
    """A reason, and words. `whom`: the e-mail in plain words."""
    options = [{"text": plain(_LABELS.get(code, code)), "value": code} for code in REASON_CODES]
    chosen = {"type": "static_select", "action_id": _VALUE, "options": options}
    why = {"type": "input", "block_id": REASON, "label": plain("Why not?"), "element": chosen}
    words = _typed(WORDS, "In your words", "", LONGEST_WORDS, lines=True)
    words |= {"optional": True, "hint": plain("The swarm learns from this.")}
    said = {"type": "context", "elements": [markup(safe(whom, 300) or "This e-mail")]}
    return _modal(REJECT, "Reject the e-mail", "Reject", [said, why, words], about)


def answering(text: str) -> View:
    """What a person is told in the modal that they sent off; `text` is plain words."""
    said = section(safe(text, 2900) or "Done.")
    return {"type": "modal", "title": plain("Swarm"), "close": plain("Close"), "blocks": [said]}


def filled(view: Mapping[str, Any], block_id: str) -> str:
    """What was entered or chosen in a field; an empty text when nothing was."""
    element = view["state"]["values"][block_id][_VALUE]
    chosen = element.get("selected_option")
    return str(chosen["value"] if chosen else element.get("value") or "")


def _modal(
    callback_id: str, title: str, submit: str, blocks: list[dict[str, Any]], about: About
) -> View:
    return {
        "type": "modal", "callback_id": callback_id, "title": plain(title),
        "submit": plain(submit), "close": plain("Cancel"), "blocks": blocks,
        "private_metadata": about.metadata(),
    }  # fmt: skip


def _typed(block_id: str, label: str, text: str, most: int, *, lines: bool = False) -> View:
    element = {
        "type": "plain_text_input", "action_id": _VALUE, "multiline": lines, "max_length": most,
    }  # fmt: skip
    if text:
        element["initial_value"] = text
    return {"type": "input", "block_id": block_id, "label": plain(label), "element": element}
