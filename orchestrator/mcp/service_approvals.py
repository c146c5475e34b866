"""Approvals for a client. Owns: what a person is asked, and that exactly that is what their answer
decides.

The question shows recipient, sender, subject, body and checks, and asks who answers. What they
approve is the hash of what was shown: a text that changed meanwhile is refused. Each question
counts once, in whichever replica its answer arrives. Refuses whoever is not on the list of
approvers, or whom `approvals.mcp_approvers` does not name: by default that is nobody.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import Connection

from guardrails.approval_model import Answer as Word
from guardrails.approval_model import AnswerKind, Approval, ApprovalState
from guardrails.approval_rows import listed
from guardrails.approvers import Approver
from guardrails.bank.models import ReasonCode
from guardrails.clock import iso
from guardrails.errors import AuditBroken, BadInput, NotFound, Refused
from guardrails.store import insert_if_absent
from guardrails.store.tables import documents
from orchestrator.mcp import pages
from orchestrator.mcp.contract_approvals import (
    ApprovalLine,
    ApprovalPage,
    ApprovalShown,
    ApproverAnswered,
    AskApprover,
    ListApprovals,
    ShowApproval,
)
from orchestrator.mcp.parts import Parts
from orchestrator.mcp.question import open_checks, passed, question_text
from servers.common.asking import Answer, Question

ELSEWHERE = (
    "A person decides in Slack or at a terminal: "
    "`swarm approvals show ID`, then `swarm approvals approve ID --as NAME`."
)
_Outcome = Literal["approved", "rejected", "declined", "not_counted"]


class Decision(BaseModel):
    """The form that a person fills in."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["approve", "reject"] = Field(description="What shall become of this e-mail?")
    approver: str = Field(
        min_length=1, max_length=120, description="Who you are: your name on the approvers' list."
    )
    reason_code: ReasonCode | None = Field(default=None, description="Only when you reject: why.")
    words: str = Field(
        default="", max_length=2000, description="In your words; needed for the reason `other`."
    )

    @field_validator("reason_code", mode="before")
    @classmethod
    def _left_empty(cls, given: Any) -> Any:
        """A form that is sent with an empty choice has none."""
        return given or None


class ApprovalService:
    """Over open parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def list_(self, args: ListApprovals) -> ApprovalPage:
        """One page. Raises BadInput, StoreUnavailable."""
        seen, most = pages.begins_after(args.cursor), args.limit + 1
        found = await self._parts.store.query(
            lambda conn: listed(conn, args.state, most, after=seen)
        )
        page = found[: args.limit]
        more = pages.after(_place(page[-1]), page[-1].approval_id) if found[args.limit :] else None
        return ApprovalPage(approvals=tuple(self._line(one) for one in page), next_cursor=more)

    async def show(self, args: ShowApproval) -> ApprovalShown:
        """One case. Raises NotFound, AuditBroken, StoreUnavailable."""
        case = await self._parts.cases.of(await self._find(args.approval_id))
        draft = case.draft
        return ApprovalShown(
            approval=self._line(case.approval),
            to=case.to,
            sender=f"{draft.sender.name} <{draft.sender.email}>",
            subject=draft.subject,
            body=draft.body,
            claims=case.claims,
            checks=tuple(open_checks(case)),
            checks_passed=passed(case),
            bank=case.bank,
            score=case.qualification.score if case.qualification else None,
            would_send_at=case.would_send_at,
            content_hash=case.approval.content_hash,
            sandbox=case.sandbox,
        )

    async def ask(self, args: AskApprover) -> Question:
        """What the person is asked.

        Raises:
            Refused: nobody may approve here, or it does not wait any more.
            NotFound, AuditBroken, StoreUnavailable: it cannot be shown.
        """
        if not self._named():
            raise Refused(
                "nobody may approve through MCP: approvals.mcp_approvers in "
                "config/production.json is empty",
                remedy=ELSEWHERE,
            )
        found = await self._find(args.approval_id)
        if found.state is not ApprovalState.WAITING:
            raise Refused(
                f"it does not wait any more: {found.state.value}",
                remedy="list_approvals shows what waits.",
            )
        case = await self._parts.cases.of(found)
        shown = await asyncio.to_thread(self._recorded_hash, found)
        if shown != found.content_hash:
            raise AuditBroken("the text that waits is not the one that was decided about")
        about = json.dumps({"approval": found.approval_id, "hash": shown})
        return Question(question_text(case), Decision, about)

    async def answered(self, args: AskApprover, answer: Answer) -> ApproverAnswered:
        """Do what the person said, once.

        Raises:
            Refused: this question has been answered before.
            BadInput: a no without its reason, or an answer to another question.
            AuditUnwritable, StoreUnavailable, AuditBroken: nothing was decided.
        """
        about = json.loads(answer.about)
        if about["approval"] != args.approval_id:
            raise BadInput("this is the answer to another question", remedy="Ask again.")
        await self._spend(answer)
        said = answer.content
        if not isinstance(said, Decision):
            text = "The person did not answer the question: nothing was changed."
            return self._told(args, "declined", text)
        by = self._approver(said.approver)
        if by is None:
            who = said.approver.strip()[:60]
            text = f"{who!r} may not approve through MCP: nothing was changed. {ELSEWHERE}"
            return self._told(args, "not_counted", text)
        word = await self._decide(args.approval_id, about["hash"], by, said)
        if word.kind is not AnswerKind.DONE:
            return self._told(args, "not_counted", word.text)
        outcome: _Outcome = "approved" if said.decision == "approve" else "rejected"
        audit_id = word.approval.audit_id if word.approval else None
        return self._told(args, outcome, word.text, audit_id)

    async def _decide(self, id: str, content_hash: str, by: Approver, said: Decision) -> Word:
        approvals = self._parts.approvals
        if said.decision == "approve":
            return await approvals.approve(id, content_hash, by, "mcp")
        if said.reason_code is None:
            raise BadInput("a no needs its reason: nothing was decided", remedy="Ask again.")
        return await approvals.reject(
            id, content_hash, by, "mcp", reason_code=said.reason_code, text=said.words
        )

    async def _spend(self, answer: Answer) -> None:
        """Each question counts once, whatever is sent again."""
        id = hashlib.sha256(f"mcp question\0{answer.question_id}".encode()).hexdigest()
        row = {
            "digest": id,
            "kind": "mcp_answer",
            "lead_id": None,
            "document": None,
            "created_at": iso(self._parts.clock()),
        }

        def work(conn: Connection) -> bool:
            return insert_if_absent(conn, documents, row)

        if not await self._parts.store.run(work):
            raise Refused(
                "this question has been answered before: nothing was done", remedy="Ask again."
            )

    def _recorded_hash(self, found: Approval) -> str | None:
        """Hash of what the case shows, by the record that it is read from."""
        record = self._parts.audit.find(found.decision_audit_id)
        return record["body"].get("content_hash") if record else None

    async def _find(self, id: str) -> Approval:
        found = await self._parts.approvals.get(id)
        if found is None:
            raise NotFound(f"no approval {id}", remedy="list_approvals shows what waits.")
        return found

    def _named(self) -> Sequence[str]:
        return self._parts.config.production.approvals.mcp_approvers

    def _approver(self, said: str) -> Approver | None:
        """Who answered: on the list, and named for MCP, by the same name or by their id."""
        people = self._parts.approvals.approvers
        found = people.by_name(said) or people.by_id(said.strip())
        if found is None:
            return None
        named = {name.strip().casefold() for name in self._named()}
        return found if {found.name.casefold(), found.id.casefold()} & named else None

    def _line(self, found: Approval) -> ApprovalLine:
        waits = found.state is ApprovalState.WAITING
        return ApprovalLine(
            approval_id=found.approval_id,
            lead_id=found.lead_id,
            state=found.state,
            tier=found.tier,
            segment=found.segment,
            look_alone=found.alone,
            due_at=found.due_at,
            overdue=waits and found.due_at < self._parts.clock(),
            ended_at=found.ended_at,
            reason_code=found.reason_code,
            decision_audit_id=found.decision_audit_id,
        )

    def _told(
        self, args: AskApprover, outcome: _Outcome, text: str, audit_id: str | None = None
    ) -> ApproverAnswered:
        return ApproverAnswered(
            approval_id=args.approval_id, outcome=outcome, text=text, audit_id=audit_id
        )


def _place(one: Approval) -> datetime:
    """By what a list is in order."""
    return one.ended_at or one.due_at
