"""Reading a leads file into a run. Owns: that no row is lost, and what set-aside rows say binds.

Rejected rows are put on the audit record as they are read; an opt-out in any row of a person is
honoured, whichever of their rows comes first and whatever file they come in next.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from guardrails.errors import BadInput
from guardrails.model import LeadState
from guardrails.suppression import suppress
from orchestrator.bootstrap import Swarm
from orchestrator.deliver_writes import Caller
from orchestrator.mcp_session import ToolFailed
from orchestrator.run_records import Mark, Rejected, Run
from servers.guardrails import contract as guardrails
from servers.hunter import contract as hunter

_PAGE = 200
Progress = Callable[[int, int, str], None]


def marks(rows: Sequence[hunter.RejectedRow]) -> Iterator[Mark]:
    """What set-aside rows add to the leads of their person."""
    for row in rows:
        for bound in row.binds:
            yield Mark(**dict(bound))


class Intake:
    """The way from a file to the rows of one run."""

    def __init__(self, swarm: Swarm, leads: Path, limit: int | None, progress: Progress) -> None:
        self._swarm = swarm
        self._leads = leads
        self._limit = limit
        self._progress = progress

    async def read(self, run: Run) -> Run:
        """The whole file into the run; rows that are there already stay as they are.

        Raises:
            BadInput: the file cannot be read at all.
        """
        total = 0
        async for page in self._pages():
            leads = [lead for lead in page.leads if lead.row is not None]
            await self._honour(page.opted_out_emails)
            rejected = await record_rejected(self._swarm.children, run.run_id, page.rejected)
            await self._swarm.runs.add_page(run.run_id, leads, rejected)
            await self._swarm.runs.mark(run.run_id, list(marks(page.rejected)))
            total += page.rows_read
            self._progress(0, total, "reading rows")
        return await self._swarm.runs.imported(run, total)

    async def _pages(self) -> AsyncIterator[hunter.LeadPage]:
        cursor: str | None = None
        left = self._limit
        while left is None or left > 0:
            request = hunter.ImportLeads(
                path=str(self._leads.resolve()),
                cursor=cursor,
                limit=_PAGE if left is None else min(_PAGE, left),
            )
            try:
                page = await self._swarm.children.call(hunter.SERVER, hunter.IMPORT_LEADS, request)
            except ToolFailed as error:
                raise BadInput(error.message, remedy=error.remedy) from error
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return
            if left is not None:
                left -= page.rows_read

    async def _honour(self, emails: Sequence[str]) -> None:
        salt, at = self._swarm.hive.salt(), self._swarm.clock()
        work = partial(honour_opt_outs, salt=salt, emails=emails, at=at)
        await self._swarm.store.run(work)


async def record_rejected(
    children: Caller, run_id: str, rows: Sequence[hunter.RejectedRow]
) -> list[Rejected]:
    """Put set-aside rows on the audit record, each once.

    Raises:
        ToolFailed, ServerUnavailable: none is known to be on record.
    """
    if not rows:
        return []
    intake = tuple(
        guardrails.IntakeRow.model_validate(
            {"row": row.row, "lead_id": row.lead_id, "state": row.state, "reasons": row.reasons}
        )
        for row in rows
    )
    request = guardrails.RecordIntake(run_id=run_id, rows=intake)
    recorded = await children.call(guardrails.SERVER, guardrails.RECORD_INTAKE, request)
    audit_ids = {row.row: row.audit_id for row in recorded.rows}
    return [
        Rejected(row.row, row.lead_id, LeadState(row.state), row.reasons, audit_ids[row.row])
        for row in rows
    ]


def honour_opt_outs(conn: Connection, *, salt: bytes, emails: Sequence[str], at: datetime) -> None:
    """Whoever wants no contact by any row is suppressed: the next file may not say so."""
    for email in emails:
        suppress(conn, salt, email, "email", "opted_out", "csv", at)
