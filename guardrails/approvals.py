"""A person's word on a draft. Owns: who may give it, that one word counts, on record.

How an approval ends is ONE audit record under an id made of the approval's: whoever is recorded
first has decided, among all processes and machines, and the row follows the record (P2). A crash
in between is finished from the record. Refuses everybody who is not on the list, a text other
than the one that waits, the writer's own yes to what they wrote, and to take silence for consent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from guardrails import approval_rows as rows
from guardrails.approval_answers import done, not_found, told
from guardrails.approval_model import (
    REASON_CODES,
    SWARM,
    Answer,
    AnswerKind,
    Approval,
    ApprovalState,
    Via,
)
from guardrails.approval_words import lesson_from, words_of
from guardrails.approvers import Approver, ApproverList
from guardrails.audit import AuditEntry, AuditLog
from guardrails.brakes.stop import StopSwitch
from guardrails.clock import Clock, iso
from guardrails.documents import Document, keep
from guardrails.each import each
from guardrails.errors import AuditBroken, BadInput
from guardrails.lessons import record_lesson
from guardrails.store import Store

OnApproved = Callable[[Connection, Approval, str], None]
_BATCH = 200


class Approvals:
    """Decides, once each; many callers, processes and machines may try at once.

    Args:
        on_approved: `(conn, approval, at)` inside the transaction that lets it go: queues it.

    Every method raises StoreUnavailable, AuditUnwritable or AuditBroken when nothing could be
    decided; the same call may be made again.
    """

    def __init__(
        self,
        store: Store,
        audit: AuditLog,
        stop: StopSwitch,
        approvers: ApproverList,
        clock: Clock,
        on_approved: OnApproved,
    ) -> None:
        self._store = store
        self._audit = audit
        self._stop = stop
        self._approvers = approvers
        self._clock = clock
        self._on_approved = on_approved

    @property
    def approvers(self) -> ApproverList:
        """Who may decide."""
        return self._approvers

    async def get(self, approval_id: str) -> Approval | None:
        """One approval as it stands."""
        return await self._store.query(lambda conn: rows.find(conn, approval_id))

    async def waiting(self, limit: int = 100) -> list[Approval]:
        """What waits for a person, who is due first."""
        return await self._store.query(lambda conn: rows.listed(conn, ApprovalState.WAITING, limit))

    async def approve(self, approval_id: str, content_hash: str, by: Approver, via: Via) -> Answer:
        """Let exactly this text go out."""
        found = await self.get(approval_id)
        no = await self._refused(found, content_hash, by)
        if no is not None or found is None:
            return no or not_found()
        if by.id == found.author:
            text = "You wrote this text: somebody else must approve it."
            return Answer(AnswerKind.NOT_PERMITTED, text, found)
        return await self._end(found, ApprovalState.APPROVED, by.id, via)

    async def reject(
        self,
        approval_id: str,
        content_hash: str,
        by: Approver,
        via: Via,
        *,
        reason_code: str,
        text: str = "",
    ) -> Answer:
        """Say no, and why; the bank learns it.

        Raises:
            BadInput: no such reason code, or `other` without words.
        """
        if reason_code not in REASON_CODES:
            raise BadInput(
                f"{reason_code!r} is no reason code", remedy=f"One of {', '.join(REASON_CODES)}."
            )
        if reason_code == "other" and not text.strip():
            raise BadInput("`other` needs words", remedy="Say why in a sentence (--text).")
        found = await self.get(approval_id)
        no = await self._refused(found, content_hash, by)
        if no is not None or found is None:
            return no or not_found()
        words = words_of(found, text)
        return await self._end(found, ApprovalState.REJECTED, by.id, via, reason_code, words)

    async def approve_many(
        self, approval_ids: Sequence[str], by: Approver, via: Via
    ) -> list[Answer]:
        """Approve several at once, as they stand now; whatever needs a look by itself is not."""
        answers = []
        for approval_id in approval_ids:
            found = await self.get(approval_id)
            if found is not None and found.alone:
                why = "the first of its segment" if found.first_of_segment else "marked for review"
                text = f"It is {why}: a person must look at it by itself."
                answers.append(Answer(AnswerKind.NOT_PERMITTED, text, found))
            elif found is None:
                answers.append(not_found())
            else:
                answers.append(await self.approve(approval_id, found.content_hash, by, via))
        return answers

    async def supersede(self, approval_id: str) -> Answer:
        """End an approval because an edited text takes its place."""
        found = await self.get(approval_id)
        if found is None:
            return not_found()
        return await self._end(found, ApprovalState.SUPERSEDED, SWARM, "swarm")

    async def withdraw(
        self, reason_code: str, *, lead_id: str | None = None, run_id: str | None = None
    ) -> list[Approval]:
        """End what waits for a lead or a run: nobody need decide any more. Gives what it ended.

        Args:
            reason_code: why, e.g. opted_out, replied, given_up.
        """
        if lead_id is None and run_id is None:
            raise BadInput("whose approvals are to be withdrawn?")
        withdrawn: list[Approval] = []
        while found := await self._store.query(
            lambda conn: rows.listed(
                conn, ApprovalState.WAITING, _BATCH, lead_id=lead_id, run_id=run_id
            )
        ):
            for one in found:
                if await self._ended(one, ApprovalState.WITHDRAWN, reason_code=reason_code):
                    withdrawn.append(one)
        return withdrawn

    async def expire_due(self) -> list[Approval]:
        """End what is past its time: not sent. Gives what it ended.

        Raises AuditBroken for one that cannot be followed; it holds up no other.
        """
        now = self._clock()
        found = await self._store.query(lambda conn: rows.past(conn, now))
        done = await each(found, lambda one: self._ended(one, ApprovalState.EXPIRED))
        return [one for one, ended in zip(found, done, strict=True) if ended]

    async def finish_recorded(self) -> int:
        """Follow records that nobody followed: their writer died. Gives how many.

        Raises AuditBroken for one that cannot be followed; it holds up no other.
        """
        found = await self._store.query(lambda conn: rows.ended_on_record(conn, _BATCH))
        return len(await each(found, self._follow))

    async def _ended(
        self, found: Approval, state: ApprovalState, *, reason_code: str | None = None
    ) -> bool:
        return (await self._end(found, state, SWARM, "swarm", reason_code)).kind is AnswerKind.DONE

    async def _refused(
        self, found: Approval | None, content_hash: str, by: Approver
    ) -> Answer | None:
        """Why this person's word does not count here; None when it does."""
        if self._approvers.by_id(by.id) != by:
            return Answer(AnswerKind.NOT_PERMITTED, "You are not on the list of approvers.", found)
        if found is None:
            return None
        if found.state is not ApprovalState.WAITING:
            return told(self._approvers, found)
        if self._clock() >= found.expires_at:
            ended = await self._end(found, ApprovalState.EXPIRED, SWARM, "swarm")
            return told(self._approvers, ended.approval or found)
        if found.content_hash != content_hash:
            text = "The text that waits is another one than this: look at it again."
            return Answer(AnswerKind.CONTENT_CHANGED, text, found)
        return None

    async def _end(
        self,
        found: Approval,
        state: ApprovalState,
        by: str,
        via: Via,
        reason_code: str | None = None,
        words: Document | None = None,
    ) -> Answer:
        """Record the end, if nobody did before, and follow the record."""
        if words is not None:
            kept, at = words, iso(self._clock())
            await self._store.run(lambda conn: keep(conn, [kept], at))
        body = {
            "approval_id": found.approval_id,
            "decision_audit_id": found.decision_audit_id,
            "content_hash": found.content_hash,
            "end": state.value,
            "by": by,
            "via": via,
            "author": found.author,
            "reason_code": reason_code,
            "words_digest": words.digest if words else None,
            "ended_at": iso(self._clock()),
        }
        entry = AuditEntry(
            kind="approval",
            actor=by,
            body=body,
            decision_id=rows.end_id(found.approval_id),
            lead_id=found.lead_id,
            run_id=found.run_id,
        )
        (ref,) = await self._audit.record([entry])
        ended = await self._follow(found.approval_id)
        if ref.existing:
            return told(self._approvers, ended)
        return Answer(AnswerKind.DONE, done(state, self._stop.state()), ended)

    async def _follow(self, approval_id: str) -> Approval:
        """Bring the row in line with its record, with what comes of it, in one transaction."""
        record = self._audit.find(rows.end_id(approval_id))
        if record is None:
            raise AuditBroken(f"how {approval_id} ended is not on record")
        body = record["body"]
        words, lesson = "", None
        if body["end"] == ApprovalState.REJECTED.value:
            words, lesson = lesson_from(self._store, self._audit, record)

        def work(conn: Connection) -> Approval | None:
            ended = rows.end(conn, record, words or None)
            if ended is not None and ended.state is ApprovalState.APPROVED:
                self._on_approved(conn, ended, body["ended_at"])
            if ended is not None and lesson is not None:
                record_lesson(conn, lesson, body["ended_at"])
            return ended or rows.find(conn, approval_id)

        ended = await self._store.run(work)
        if ended is None:
            raise AuditBroken(f"{approval_id} is on record and not in the database")
        return ended
