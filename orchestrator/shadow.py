"""The shadow run: a leads file through the whole swarm, nothing written outside.

Owns: reading the file into the run, N leads in flight, resuming, and that one bad lead stops
nobody else.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import structlog
from sqlalchemy import Connection

from guardrails.brakes.stop import StopSwitch
from guardrails.errors import BadInput, Stopped, SwarmError
from guardrails.model import LeadState, Mode, Reason
from guardrails.suppression import suppress
from orchestrator.bootstrap import Swarm
from orchestrator.mcp_session import ToolFailed
from orchestrator.prepare import WORKFLOW, close_unprepared, workflow_id
from orchestrator.run_records import Mark, Rejected, Run
from orchestrator.shadow_log import ShadowLog
from servers.guardrails import contract as guardrails
from servers.hunter import contract as hunter

log = structlog.get_logger(__name__)
_PAGE = 200
Progress = Callable[[int, int, str], None]


@dataclass
class Outcome:
    """What a finished or interrupted run left."""

    run: Run
    crashed: dict[int, str] = field(default_factory=dict)
    vendor_writes: int = 0


def run_key(leads: Path, mode: Mode, *, sandbox: bool, limit: int | None) -> str:
    """The same file content, mode and limit give the same key: the same command resumes.

    Raises:
        BadInput: the file cannot be read.
    """
    whole = hashlib.sha256()
    try:
        with leads.open("rb") as file:
            while block := file.read(1 << 20):
                whole.update(block)
    except OSError as error:
        raise BadInput(
            f"{leads}: cannot be read ({error.strerror})", remedy="Give --leads FILE."
        ) from error
    whole.update(f"|{mode.value}|{sandbox}|{limit}".encode())
    return whole.hexdigest()


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


class ShadowRun:
    """One run over a running swarm."""

    def __init__(self, swarm: Swarm, leads: Path, limit: int | None, progress: Progress) -> None:
        self._swarm = swarm
        self._leads = leads
        self._limit = limit
        self._progress = progress
        self._session = secrets.token_hex(3)
        self._crashed: dict[int, str] = {}
        self._stopped: Stopped | None = None
        self._done = 0
        self._switch = StopSwitch(swarm.hive, swarm.store)

    async def execute(self, *, fresh: bool) -> Outcome:
        """Run to the end, resuming an unfinished run of the same command unless `fresh`.

        Raises:
            BadInput: the leads file cannot be read at all.
            Stopped: the emergency stop is in force.
        """
        await self._check_stop()
        if self._stopped is not None:
            raise self._stopped
        run = await self._open(fresh=fresh)
        shadow_log = ShadowLog(self._swarm.hive, self._swarm.store, run.run_id)
        await shadow_log.begin(await self._swarm.runs.previous(run.run_id))
        if run.total is None:
            run = await self._import(run)
        await self._prepare_all(run, shadow_log)
        await shadow_log.write()
        if self._stopped is not None:
            raise self._stopped
        if not self._crashed:
            await self._swarm.runs.finish(run.run_id)
        return Outcome(run, self._crashed, await self._vendor_writes(run))

    async def _open(self, *, fresh: bool) -> Run:
        swarm = self._swarm
        key = await asyncio.to_thread(
            run_key, self._leads, swarm.mode, sandbox=swarm.sandbox, limit=self._limit
        )
        stamp = swarm.clock().strftime("%Y%m%dT%H%M%S")
        run_id = f"R-{stamp}-{secrets.token_hex(3)}"
        return await swarm.runs.open(
            key, run_id, swarm.mode, swarm.sandbox, str(self._leads), fresh=fresh
        )

    async def _import(self, run: Run) -> Run:
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

    async def _prepare_all(self, run: Run, shadow_log: ShadowLog) -> None:
        self._done = await self._swarm.runs.count_ended(run.run_id)
        rows: asyncio.Queue[int | None] = asyncio.Queue(maxsize=2 * self._swarm.concurrency)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._swarm.concurrency):
                group.create_task(self._worker(run, rows, shadow_log))
            await self._feed(run, rows)

    async def _feed(self, run: Run, rows: asyncio.Queue[int | None]) -> None:
        after = 0
        while batch := await self._swarm.runs.pending(run.run_id, after, 500):
            for row in batch:
                await rows.put(row)
            after = batch[-1]
        for _ in range(self._swarm.concurrency):
            await rows.put(None)

    async def _worker(
        self, run: Run, rows: asyncio.Queue[int | None], shadow_log: ShadowLog
    ) -> None:
        while (row := await rows.get()) is not None:
            await self._check_stop()
            if self._stopped is None:
                await self._prepare(run, row)
                await shadow_log.refresh()
                self._done += 1
                self._progress(self._done, run.total or 0, "preparing leads")

    async def _check_stop(self) -> None:
        """A stop leaves the rest of the rows as they are: the same command goes on after it."""
        state = await asyncio.to_thread(self._switch.state)
        if state.stopped and self._stopped is None:
            self._stopped = Stopped(f"the swarm is stopped: {state.reason}")

    async def _prepare(self, run: Run, row: int) -> None:
        """One lead. Whatever goes wrong with it stays with it."""
        first = workflow_id(run.run_id, row)
        problem: Exception | None = None
        # A workflow that ended in an error keeps that result for ever under its id, so the second
        # try needs another one.
        for attempt in (first, f"{first}:{self._session}"):
            try:
                await self._swarm.engine.run(WORKFLOW, attempt, run.run_id, row)
                return
            except Exception as error:  # noqa: BLE001 - the lead's edge: the others go on
                log.warning("lead_failed", run=run.run_id, row=row, error=repr(error)[:300])
                problem = error
        await self._give_up(run, row, problem)

    async def _give_up(self, run: Run, row: int, problem: Exception | None) -> None:
        code = getattr(problem, "code", "internal_error")
        note = Reason(code="crashed", text=f"Preparing this lead failed twice ({code}).")
        try:
            await close_unprepared(self._swarm.children, self._swarm.runs, run.run_id, row, note)
        except SwarmError as error:
            failure = error.as_failure()
            if failure.code == Stopped.code:
                self._stopped = Stopped(failure.message, remedy=failure.remedy)
                return
            self._crashed[row] = f"{failure.code}: {failure.message}"

    async def _vendor_writes(self, run: Run) -> int:
        """Writes at the vendors: the twins' own count; with real vendors, permits spent."""
        if self._swarm.twins is not None:
            return await self._swarm.twins.writes()
        return await self._swarm.runs.permits_spent(run.created_at)
