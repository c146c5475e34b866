"""The database side of clicks. Owns: what stands, what was edited, answers left in a thread."""

from __future__ import annotations

import hashlib

from guardrails.approval_answers import told
from guardrails.approval_model import Answer, AnswerKind, ApprovalState
from guardrails.approvals import Approvals
from guardrails.approvers import Approver
from guardrails.clock import Clock
from guardrails.errors import NotFound
from guardrails.store import Store
from orchestrator.approvals.case import ApprovalCase, Cases
from orchestrator.approvals.edit import Edit, submit
from orchestrator.slack import outbox, outgoing
from orchestrator.slack.client import Place

_NONE = "There is no such approval here."
_LATE = "It had expired: not sent."
_CHANGED = "The text that waits is another one than this: look at it again."


class Desk:
    """Reads and queues; decides nothing. Methods raise StoreUnavailable."""

    def __init__(self, store: Store, approvals: Approvals, cases: Cases, clock: Clock) -> None:
        self._store = store
        self._approvals = approvals
        self._cases = cases
        self._clock = clock

    async def standing(self, approval_id: str, content_hash: str, by: Approver) -> Answer | None:
        """Why this text can no longer be decided on; None when it can."""
        found = await self._approvals.get(approval_id)
        if found is None:
            return Answer(AnswerKind.NOT_FOUND, _NONE)
        if found.state is not ApprovalState.WAITING:
            return told(self._approvals.approvers, found)
        if self._clock() >= found.expires_at:
            return Answer(AnswerKind.EXPIRED, _LATE, found)
        if found.content_hash != content_hash:
            return Answer(AnswerKind.CONTENT_CHANGED, _CHANGED, found)
        return None

    async def case(self, approval_id: str) -> ApprovalCase:
        """What is decided about.

        Raises:
            NotFound: it is not on record, or was erased.
            AuditBroken: what is stored is not what was recorded.
        """
        found = await self._approvals.get(approval_id)
        if found is None:
            raise NotFound(_NONE)
        return await self._cases.of(found)

    async def seen(self, approval_id: str, place: Place) -> None:
        """Somebody clicked the card there: so there it stands."""
        now = self._clock()
        message_id = outbox.card_id(approval_id)
        known = await self._store.query(lambda conn: outgoing.find(conn, message_id))
        if known is not None and known.ts is None:
            await self._store.run(
                lambda conn: outbox.adopt(conn, approval_id, place.channel, place.ts, now)
            )

    async def edited(self, case: ApprovalCase, subject: str, body: str, by: Approver) -> None:
        """Queue a person's new text for the queen; the same text by the same person once."""
        edit = Edit(
            approval_id=case.approval.approval_id, content_hash=case.approval.content_hash,
            subject=subject, body=body, by=by.id, via="slack",
        )  # fmt: skip
        said = edit.model_dump_json().encode(errors="replace")
        edit_id, at = hashlib.sha256(said).hexdigest()[:40], self._clock()
        await self._store.run(lambda conn: submit(conn, edit, edit_id, at, case.approval.lead_id))

    async def tell_in_thread(self, key: str, approval_id: str, user_id: str, text: str) -> None:
        """An answer that could not be whispered."""
        at = self._clock()
        await self._store.run(
            lambda conn: outbox.notice(
                conn, f"answer:{key}", text, at=at, approval_id=approval_id, mention=user_id
            )
        )
