"""The shadow run: a leads file through the whole swarm, nothing written outside.

Owns: reading the file into the run, N leads in flight, resuming, and that one bad lead stops
nobody else. Other machines that were given the same file, or are at work anyway, share the rows:
the run is over when all have ended, whoever prepared them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from guardrails.errors import BadInput, Failure, Stopped, StoreUnavailable
from guardrails.model import Mode
from orchestrator.bootstrap import Swarm
from orchestrator.fleet.claims import Claimed
from orchestrator.fleet.free_rows import Pending
from orchestrator.intake import Intake, Progress
from orchestrator.lead_edge import LeadEdge
from orchestrator.run_records import Run
from orchestrator.shadow_log import EmailLog, ShadowLog

NAP_S = 0.5  # between two looks at what others have in hand
_LAST_WORD_S = 5.0
log = structlog.get_logger(__name__)


@dataclass
class Outcome:
    """What a run left. `halted` says why nobody could be decided any more, if so."""

    run: Run
    crashed: dict[int, Failure] = field(default_factory=dict)
    vendor_writes: int = 0
    halted: Failure | None = None


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


class ShadowRun(LeadEdge):
    """One run over a running swarm."""

    def __init__(self, swarm: Swarm, leads: Path, limit: int | None, progress: Progress) -> None:
        super().__init__(swarm)
        self._leads = leads
        self._limit = limit
        self._progress = progress
        self._done = 0
        self._rows: set[Pending] = set()  # claimed, and not at their end
        self._given_back: set[Pending] = set()
        # Claimed at once, and before they are needed: few, so that others find some to the end.
        self._ahead = max(1, swarm.concurrency // 2)

    async def execute(self, *, fresh: bool) -> Outcome:
        """Run to the end, resuming an unfinished run of the same command unless `fresh`.

        Raises:
            BadInput: the leads file cannot be read at all.
            Stopped: the emergency stop is in force already.
        """
        await self._check_stop()
        if self._halted is not None:
            raise Stopped(self._halted.message)
        run = await self._open(fresh=fresh)
        try:
            return await self._run(run)
        except asyncio.CancelledError:  # a person's Ctrl-C, among others
            await self._leave(run)
            raise

    async def _run(self, run: Run) -> Outcome:
        shadow_log = self._log(run)
        await shadow_log.begin(await self._swarm.runs.previous(run.run_id))
        if run.total is None:
            run = await Intake(self._swarm, self._leads, self._limit, self._progress).read(run)
        await self._prepare_all(run, shadow_log)
        await shadow_log.write()
        waiting = await self._deliver(run)
        writes = await self._vendor_writes(run)
        if not self._crashed and self._halted is None and not waiting:
            await self._swarm.runs.finish(run.run_id)
        elif self._halted is not None and self._halted.code == Stopped.code:
            await self._leave(run)
        crashed = {lead.row: failure for lead, failure in self._crashed.items()}
        return Outcome(run, crashed, writes, self._halted)

    async def _leave(self, run: Run) -> None:
        """A person ended it: it goes on with the same command, not by itself."""
        with contextlib.suppress(StoreUnavailable, TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(_LAST_WORD_S):
                await asyncio.shield(self._swarm.runs.leave(run.run_id))

    def _log(self, run: Run) -> EmailLog:
        return ShadowLog(self._swarm.hive, self._swarm.store, run.run_id)

    async def _deliver(self, _run: Run) -> int:
        """What goes on after all rows are decided; gives how many are left. In shadow nothing."""
        return 0

    async def _open(self, *, fresh: bool) -> Run:
        swarm = self._swarm
        key = await asyncio.to_thread(
            run_key, self._leads, swarm.mode, sandbox=swarm.sandbox, limit=self._limit
        )
        stamp = swarm.clock().strftime("%Y%m%dT%H%M%S")
        run_id = f"R-{stamp}-{secrets.token_hex(3)}"
        run = await swarm.runs.open(
            key, run_id, swarm.mode, swarm.sandbox, str(self._leads), fresh=fresh
        )
        for given_up in await swarm.runs.given_up(key):
            # The new run decides about their leads anew: nobody need decide about these.
            await swarm.approvals.withdraw("given_up", run_id=given_up)
        return run

    async def _prepare_all(self, run: Run, shadow_log: EmailLog) -> None:
        self._done = await self._swarm.runs.count_ended(run.run_id)
        rows: asyncio.Queue[Claimed[Pending] | None] = asyncio.Queue(self._ahead)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._swarm.concurrency):
                group.create_task(self._worker(run, rows, shadow_log))
            await self._feed(run, rows)

    async def _feed(self, run: Run, rows: asyncio.Queue[Claimed[Pending] | None]) -> None:
        try:
            while self._halted is None:
                batch = await self._next_rows(run)
                for claimed in batch:
                    await rows.put(claimed)
                if not batch and not await self._wait_for_others(run):
                    break
        except StoreUnavailable as error:
            self._concerns_all(error)  # leads in flight come to their own end
        for _ in range(self._swarm.concurrency):
            await rows.put(None)

    async def _next_rows(self, run: Run) -> list[Claimed[Pending]]:
        given_back = set(self._given_back)
        known = self._rows | set(self._crashed)
        batch = await self._claims.rows(self._ahead, known, given_back, run.run_id)
        self._given_back -= given_back
        self._rows |= {claimed.what for claimed in batch}
        return batch

    async def _wait_for_others(self, run: Run) -> bool:
        """Wait a moment when rows of the run are open that we do not have: others have them, or
        our own session is over. False when there is nothing to wait for, or the work is halted.
        """
        await self._members.ready(idle=not self._rows)
        known = self._rows | set(self._crashed)
        if not await self._claims.left_to_prepare(run.run_id, known):
            return False
        await asyncio.sleep(NAP_S)
        await self._check_stop()
        self._done = await self._swarm.runs.count_ended(run.run_id)
        self._progress(self._done, run.total or 0, "preparing leads, others with us")
        return self._halted is None

    async def _worker(
        self, run: Run, rows: asyncio.Queue[Claimed[Pending] | None], shadow_log: EmailLog
    ) -> None:
        while (claimed := await rows.get()) is not None:
            await self._check_stop()
            if self._halted is None and self._members.alive:
                await self._prepare(claimed)
                await _refresh(shadow_log)
                self._done += 1
                self._progress(self._done, run.total or 0, "preparing leads")
            self._rows.discard(claimed.what)
            self._given_back.add(claimed.what)

    async def _vendor_writes(self, run: Run) -> int:
        """Writes at the vendors: the twins' own count; with real vendors, permits spent."""
        if self._swarm.twins is not None:
            return await self._swarm.twins.writes()
        return await self._swarm.runs.permits_spent(run.created_at)


async def _refresh(shadow_log: EmailLog) -> None:
    """Bring emails.json up to date; a full disk now is for the last write to tell."""
    try:
        await shadow_log.refresh()
    except (OSError, StoreUnavailable) as error:
        log.warning("shadow_log_behind", error=repr(error)[:300])
