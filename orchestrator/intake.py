"""Reading a leads file into a run. Owns: that no row is lost, and what set-aside rows say binds.

Rejected rows are put on the audit record as they are read; an opt-out in any row of a person is
honoured whichever of their rows comes first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection

from guardrails.errors import BadInput
from guardrails.model import LeadState
from guardrails.suppression import suppress
from orchestrator.bootstrap import Swarm
from orchestrator.mcp_session import ToolFailed
from orchestrator.run_records import Mark, Rejected, Run
from servers.guardrails import contract as guardrails
from servers.hunter import contract as hunter

_PAGE = 200
Progress = Callable[[int, int, str], None]

# What a row that is set aside may say of its person, as the hunter's reason codes.
_SAID: dict[str, Literal["opted_out", "customer", "bounced"]] = {
    "opt_out_on_duplicate": "opted_out",
    "customer_on_duplicate": "customer",
    "bounced_on_duplicate": "bounced",
}


def _marks(rows: Sequence[hunter.RejectedRow]) -> Iterator[Mark]:
    for row in rows:
        for reason in row.reasons:
            if row.duplicate_of is not None and reason.code in _SAID:
                yield Mark(row.duplicate_of, _SAID[reason.code])


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
            rejected = await self._record(run.run_id, page.rejected)
            await self._swarm.runs.add_page(run.run_id, leads, rejected)
            await self._swarm.runs.mark(run.run_id, list(_marks(page.rejected)))
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

    async def _record(self, run_id: str, rows: tuple[hunter.RejectedRow, ...]) -> list[Rejected]:
        if not rows:
            return []
        await self._honour_opt_outs(rows)
        intake = tuple(
            guardrails.IntakeRow.model_validate(
                {
                    "row": row.row,
                    "lead_id": row.lead_id,
                    "state": row.state,
                    "reasons": row.reasons,
                }
            )
            for row in rows
        )
        request = guardrails.RecordIntake(run_id=run_id, rows=intake)
        recorded = await self._swarm.children.call(
            guardrails.SERVER, guardrails.RECORD_INTAKE, request
        )
        audit_ids = {row.row: row.audit_id for row in recorded.rows}
        return [
            Rejected(row.row, row.lead_id, LeadState(row.state), row.reasons, audit_ids[row.row])
            for row in rows
        ]

    async def _honour_opt_outs(self, rows: tuple[hunter.RejectedRow, ...]) -> None:
        """A duplicate that says "unsubscribed" speaks for the person, whichever row comes first."""
        emails = [email for row in rows for email in row.opted_out_emails]
        if not emails:
            return
        salt, at = self._swarm.hive.salt(), self._swarm.clock()

        def work(conn: Connection) -> None:
            for email in emails:
                suppress(conn, salt, email, "email", "opted_out", "csv", at)

        await self._swarm.store.run(work)
