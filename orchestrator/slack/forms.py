"""Forms that were sent off: a rejection, an edit. Owns: what they ask for, and the answer to each.

Raises the errors of store and audit: nothing was decided then, or it stands on record already, and
the card shows which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from guardrails.approval_model import AnswerKind
from guardrails.approvals import Approvals
from guardrails.approvers import Approver
from orchestrator.slack import modals
from orchestrator.slack.acks import Ack
from orchestrator.slack.desk import Desk
from orchestrator.slack.payloads import correct, say


class Forms:
    """Answers forms.

    Args:
        learn: called when there is something to learn; returns at once.
        changed: called when a card has something else to show.
    """

    def __init__(
        self,
        approvals: Approvals,
        desk: Desk,
        learn: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self._approvals = approvals
        self._desk = desk
        self._learn = learn
        self._changed = changed

    async def answer(self, view: Mapping[str, Any], about: modals.About, by: Approver) -> Ack:
        """Do what the form asks for."""
        work = self.edited if view["callback_id"] == modals.EDIT else self.rejected
        return await work(view, about, by)

    async def rejected(self, view: Mapping[str, Any], about: modals.About, by: Approver) -> Ack:
        """A no with its reason."""
        reason, words = modals.filled(view, modals.REASON), modals.filled(view, modals.WORDS)
        if reason == "other" and not words.strip():
            return correct(modals.WORDS, "Say what it is: this one needs words.")
        answer = await self._approvals.reject(
            about.approval_id, about.content_hash, by, "slack", reason_code=reason, text=words
        )
        self._changed()
        if answer.kind is AnswerKind.DONE:
            self._learn()
        return say(answer.text)

    async def edited(self, view: Mapping[str, Any], about: modals.About, by: Approver) -> Ack:
        """A new text: queued for the queen, who takes it through every guardrail."""
        subject, body = modals.filled(view, modals.SUBJECT), modals.filled(view, modals.BODY)
        if not subject.strip() or len(subject.splitlines()) != 1:
            return correct(modals.SUBJECT, "A subject is one line.")
        no = await self._desk.standing(about.approval_id, about.content_hash, by)
        if no is not None:
            return say(no.text)
        case = await self._desk.case(about.approval_id)
        if (subject.strip(), body.strip()) == (case.draft.subject.strip(), case.draft.body.strip()):
            return correct(modals.BODY, "Nothing was changed.")
        await self._desk.edited(case, subject.strip(), body, by)
        return say(
            "Your text goes through every guardrail again. If it passes, a new card follows, "
            "which somebody else must approve; if not, the thread of this card says why."
        )
