"""Approvals from the command line: the same state machine, without Slack. Owns: opening its parts.

Whoever decides here must be on the list of approvers, by name. That they are who they say is
believed, as it is of everybody who may open the hive.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from guardrails.approval_model import Answer, AnswerKind, Approval, ApprovalState
from guardrails.approval_rows import count_waiting, listed
from guardrails.approvals import Approvals
from guardrails.approvers import Approver
from guardrails.audit import AuditLog
from guardrails.bank import Bank
from guardrails.clock import Clock, shifted
from guardrails.config import load_config
from guardrails.errors import BadInput, NotFound
from guardrails.hive import Hive
from guardrails.lesson_folding import fold_pending
from guardrails.store import Store
from orchestrator.approvals.case import ApprovalCase, Cases
from orchestrator.approvals.edit import Edit, submit
from orchestrator.approvals.opening import open_approvals
from orchestrator.commands import opened
from orchestrator.environment import Environment
from orchestrator.twins import sandbox_offset

T = TypeVar("T")


@dataclass(frozen=True)
class Desk:
    """Open parts."""

    hive: Hive
    store: Store
    approvals: Approvals
    cases: Cases
    bank: Bank
    clock: Clock

    def approver(self, name: str) -> Approver:
        """Who decides.

        Raises:
            BadInput: nobody of that name is on the list.
        """
        found = self.approvals.approvers.by_name(name)
        if found is None:
            names = ", ".join(one.name for one in self.approvals.approvers.all()) or "nobody"
            raise BadInput(
                f"{name!r} is not on the list of approvers",
                remedy=f"Give --as one of: {names} (config/approvers.json).",
            )
        return found

    async def find(self, approval_id: str) -> Approval:
        """One approval. Raises NotFound."""
        found = await self.approvals.get(approval_id)
        if found is None:
            raise NotFound(
                f"no approval {approval_id}", remedy="`swarm approvals list` shows what waits."
            )
        return found

    async def listed(self, state: ApprovalState | None, limit: int) -> tuple[list[Approval], int]:
        """Approvals in a state, or the latest of all; and how many wait, shown or not."""
        return await self.store.query(
            lambda conn: (listed(conn, state, limit), count_waiting(conn))
        )

    async def case(self, approval: Approval) -> ApprovalCase | None:
        """What it is about; None when that was erased."""
        try:
            return await self.cases.of(approval)
        except NotFound:
            return None

    async def approve(self, approval_ids: list[str], by: Approver) -> list[Answer]:
        """Let them go; one by itself, several only where that is allowed."""
        if len(approval_ids) > 1:
            return await self.approvals.approve_many(approval_ids, by, "cli")
        found = await self.find(approval_ids[0])
        return [await self.approvals.approve(found.approval_id, found.content_hash, by, "cli")]

    async def reject(self, approval_id: str, by: Approver, code: str, text: str) -> Answer:
        """Say no; it is in the bank before this returns, if the bank can be written."""
        found = await self.find(approval_id)
        answer = await self.approvals.reject(
            approval_id, found.content_hash, by, "cli", reason_code=code, text=text
        )
        if answer.kind is AnswerKind.DONE:
            await fold_pending(self.store, self.bank, self.hive, self.clock)
        return answer

    async def edit(self, approval_id: str, by: Approver, subject: str, body: str) -> str:
        """Hand a new text to the queen. Gives the id under which she takes it up."""
        found = await self.find(approval_id)
        edit = Edit(
            approval_id=approval_id,
            content_hash=found.content_hash,
            subject=subject,
            body=body,
            by=by.id,
            via="cli",
        )
        edit_id, now = secrets.token_hex(8), self.clock()
        await self.store.run(lambda conn: submit(conn, edit, edit_id, now, found.lead_id))
        return f"edit:{edit_id}"


@contextmanager
def opened_desk(path: Path, config_path: Path | None) -> Iterator[Desk]:
    """The desk of a hive as it is; never created by looking."""
    config = load_config(config_path)
    environment = Environment.read(Path(".env"))
    with opened(path) as (hive, store):
        values = environment.values if hive.sandbox else {}
        clock = shifted(sandbox_offset(values, sandbox=hive.sandbox))
        audit = AuditLog(hive, store, clock)
        try:
            yield Desk(
                hive=hive,
                store=store,
                approvals=open_approvals(config, hive, store, audit, clock, environment),
                cases=Cases(audit, store),
                bank=Bank(hive.bank_file, config.policy.bank, clock),
                clock=clock,
            )
        finally:
            audit.close()


def at_desk(path: Path, config: Path | None, work: Callable[[Desk], Coroutine[Any, Any, T]]) -> T:
    """Run `work` over an open desk. Raises what it raises."""
    with opened_desk(path, config) as desk:
        return asyncio.run(work(desk))


def split_text(text: str) -> tuple[str, str]:
    """Subject and body of an edited file: the first line, and all after the blank one.

    Raises:
        BadInput: one of them is missing.
    """
    subject, _, body = text.replace("\r\n", "\n").strip().partition("\n")
    subject = subject.removeprefix("Subject:").strip()
    if not subject or not body.strip():
        raise BadInput("subject and body are needed", remedy="First line: subject; then the body.")
    return subject, body.strip() + "\n"


def exit_code(answers: list[Answer]) -> int:
    """0 when all were done, 3 when somebody may not, 2 when there is none, else 1."""
    kinds = {answer.kind for answer in answers}
    if kinds == {AnswerKind.DONE}:
        return 0
    if AnswerKind.NOT_PERMITTED in kinds:
        return 3
    return 2 if AnswerKind.NOT_FOUND in kinds else 1
