"""A person's new text for a draft. Owns: that it goes through every guardrail before it waits.

The old approval goes on waiting until the new text has passed; then it ends `superseded`, and the
new one waits in its place, which its author alone cannot approve. Refuses: a text for an approval
that has ended, from somebody who is not on the list, and claims that the new text does not make.
Every refusal is told to who wrote it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy import Connection

from guardrails import approval_rows as rows
from guardrails.approval_answers import told
from guardrails.approval_model import AnswerKind, Approval, ApprovalState
from guardrails.approvals import Approvals
from guardrails.clock import Clock
from guardrails.config.loader import describe
from guardrails.config.models import ApprovalRules
from guardrails.errors import BadInput, NotFound
from guardrails.model import Decision, Draft, LeadState
from guardrails.store import Store
from orchestrator.approvals.case import ApprovalCase, Cases
from orchestrator.approvals.edit import Edit
from orchestrator.deliver_writes import Caller
from orchestrator.inbox import Received, settle
from servers.guardrails import contract as guardrails

_PASSED = frozenset({LeadState.AWAITING_APPROVAL, LeadState.REVIEW})
Tell = Callable[[Connection, str, str, Edit, datetime], None]  # key, words, about what


@dataclass(frozen=True)
class Parts:
    """What edits work over."""

    store: Store
    approvals: Approvals
    cases: Cases
    children: Caller
    rules: ApprovalRules
    clock: Clock
    tell: Tell


class Edits:
    """Takes edits from the inbox."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def take(self, received: Received) -> str:
        """Judge one edit. Gives what became of it, for a person.

        Raises:
            BadInput: it is no edit.
            ToolFailed, ServerUnavailable, StoreUnavailable: it stays in the inbox.
        """
        edit = _edit(received)
        found = await self._parts.approvals.get(edit.approval_id)
        no = await self._refused(edit, found)
        if no is not None or found is None:
            return await self._told(received, edit, no or "There is no such approval here.")
        try:
            case = await self._parts.cases.of(found)
        except NotFound as error:
            return await self._told(received, edit, error.message)
        draft = edited(case.draft, edit.subject, edit.body)
        decision = await self._reviewed(case, draft)
        if decision.state not in _PASSED or decision.content_hash is None:
            why = " ".join(reason.text for reason in decision.reasons[:5])
            return await self._told(
                received, edit, f"The new text may not go out, the old one still waits. {why}"
            )
        return await self._take_over(received, edit, found, decision)

    async def _refused(self, edit: Edit, found: Approval | None) -> str | None:
        approvals = self._parts.approvals
        if approvals.approvers.by_id(edit.by) is None:
            return "Only an approver may edit."
        if found is None:
            return None
        if found.state is ApprovalState.SUPERSEDED and await self._unfinished(found):
            return None  # we had ended it and died before the new one was there
        if found.state is not ApprovalState.WAITING:
            return told(approvals.approvers, found).text
        if self._parts.clock() >= found.expires_at:
            return "It had expired: not sent."
        if found.content_hash != edit.content_hash:
            return "The text that waits is another one than this: look at it again."
        return None

    async def _unfinished(self, found: Approval) -> bool:
        follower = await self._parts.store.query(
            lambda conn: rows.successor(conn, found.approval_id)
        )
        return follower is None

    async def _reviewed(self, case: ApprovalCase, draft: Draft) -> Decision:
        request = guardrails.ReviewLead(
            run_id=case.approval.run_id,
            dossier=case.dossier,
            qualification=case.qualification,
            draft=draft,
        )
        return await self._parts.children.call(guardrails.SERVER, guardrails.REVIEW_LEAD, request)

    async def _take_over(
        self, received: Received, edit: Edit, old: Approval, decision: Decision
    ) -> str:
        """The new text waits in the place of the old one, unless somebody decided meanwhile."""
        if decision.content_hash == old.content_hash:
            return await self._told(received, edit, "Nothing was changed.")
        if await self._waited_before(decision):
            text = "Exactly this text waited before and was replaced: change a word of it. "
            return await self._told(received, edit, f"{text}The one that waits goes on waiting.")
        ended = await self._parts.approvals.supersede(old.approval_id)
        by_us = ended.approval is not None and ended.approval.state is ApprovalState.SUPERSEDED
        if ended.kind is not AnswerKind.DONE and not by_us:
            return await self._told(received, edit, ended.text)
        asked = _asked(old, decision, edit.by)
        rules, now = self._parts.rules, self._parts.clock()

        def work(conn: Connection) -> str | None:
            made = rows.request(conn, asked, rules, now)
            found = rows.successor(conn, old.approval_id)
            if found is None or found.approval_id != made:
                return None  # one text takes the place of another, and somebody's was first
            settle(conn, received.id, now, lead_id=old.lead_id, note=f"waits as {made}")
            return made

        made = await self._parts.store.run(work)
        if made is None:
            return await self._told(received, edit, "Somebody else has edited it meanwhile.")
        return f"waits as {made}"

    async def _waited_before(self, decision: Decision) -> bool:
        """A text asks for a person once: nobody could approve it any more."""
        found = await self._parts.store.query(
            lambda conn: rows.of_decision(conn, decision.audit_id)
        )
        return found is not None and found.state is not ApprovalState.WAITING

    async def _told(self, received: Received, edit: Edit, text: str) -> str:
        parts, now = self._parts, self._parts.clock()

        def work(conn: Connection) -> None:
            if settle(conn, received.id, now, note=text):
                parts.tell(conn, received.id, text, edit, now)

        await parts.store.run(work)
        return text


def edited(draft: Draft, subject: str, body: str) -> Draft:
    """`draft` with another text; claims that the text does not make any more are dropped."""
    subject, body = subject.strip(), body.replace("\r\n", "\n").strip() + "\n"
    folded = f"{subject}\n{body}".casefold()
    claims = tuple(claim for claim in draft.claims if claim.text.casefold() in folded)
    return draft.model_copy(update={"subject": subject, "body": body, "claims": claims})


def _asked(old: Approval, decision: Decision, author: str) -> rows.Asked:
    assert decision.content_hash is not None
    return rows.Asked(
        decision_audit_id=decision.audit_id,
        lead_id=old.lead_id,
        run_id=old.run_id,
        row=old.row,
        verdict=decision.verdict,
        segment=old.segment,
        tier=old.tier,
        content_hash=decision.content_hash,
        author=author,
        supersedes=old.approval_id,
    )


def _edit(received: Received) -> Edit:
    try:
        return Edit.model_validate_json(received.body or "")
    except ValidationError as error:
        raise BadInput(f"not an edit: {describe(error)}") from error
