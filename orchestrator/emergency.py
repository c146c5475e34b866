"""The emergency stop, from the STOP file on (P5). Owns: its steps, their order, their time limits.

    file (placed already) → what stands still → database → record → in flight → campaigns → told

After the row is committed no permit is spent anywhere; what was spent before stands in the ledger
as dispatching until it has ended. So when none is dispatching any more, no write can begin. Every
step is bounded and none needs another to have worked: without a database the file stops this
machine, and that the others are not known to have stopped is said. Queues are not emptied and
workflows not cancelled: every loop stops where it is, and `swarm resume` lets it go on.
"""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardrails.audit import AuditLog
from guardrails.brakes import stop_processes
from guardrails.brakes.stop_file import Placed
from guardrails.brakes.stop_raise import Raised, record_stop
from guardrails.clock import Clock
from guardrails.errors import StoreUnavailable, SwarmError
from guardrails.hive import Hive
from guardrails.store import Store
from orchestrator import emergency_state as state
from orchestrator.emergency_report import Told

if TYPE_CHECKING:  # loaded when the database knows already
    from orchestrator.emergency_tell import Messenger
    from orchestrator.emergency_vendors import CampaignStep

RECORD_S = 10.0
_ELSEWHERE = "Press again when it is back; until then run this on every machine of the swarm."


@dataclass(frozen=True)
class Press:
    """What is known when somebody has pressed, for one hive.

    Args:
        hive: absolute; the file was placed in it, or was tried to.
        database_url: PostgreSQL's, or None.
        offset_s: how far ahead of the wall's the sandbox's clock is.
        wait_s: how long writes in flight are waited for.
        database_s: how long the database is.
    """

    hive: Path
    placed: Placed
    reason: str
    database_url: str | None
    clock: Clock
    offset_s: float
    wait_s: float
    database_s: float = 10.0

    @property
    def actor(self) -> str:
        """Who pressed, for the record."""
        return f"person:{getpass.getuser()}"


Helpers = Callable[[], Awaitable[tuple["Messenger", "CampaignStep"]]]


class Emergency:
    """One press on one hive.

    Args:
        helpers: those who tell the team and hold the campaigns. Asked for after the database is
            stopped, because loading them takes longer than that.
    """

    def __init__(self, press: Press, told: Told, helpers: Helpers) -> None:
        self._press = press
        self._told = told
        self._helpers = helpers
        sandbox = stop_processes.is_sandbox(press.hive)
        self._hive = Hive(press.hive, sandbox=sandbox)
        self._store: Store | None = None

    async def run(self) -> Told:
        """All steps; `Told` says what they came to."""
        self._say_file()
        await self._end_frozen()
        row = await self._raise_row()
        messenger, campaigns = await self._helpers()
        first = messenger.begin(self._press.reason, self._press.actor)
        if row is not None:
            await self._record("pressed", {"epoch": row.epoch, "already": row.already})
            await self._land()
            await campaigns.run(row.epoch, self._told)
            await self._count()
        else:
            self._nobody_knows()
            campaigns.not_asked(self._told)
        await messenger.finish(first, self._told)
        await self._close()
        return self._told

    def _say_file(self) -> None:
        placed = self._press.placed
        self._told.facts["file"] = placed.present
        if not placed.present:
            self._told.unverified(
                "STOP file", f"could not be placed ({placed.problem})",
                f"touch {self._press.hive / 'STOP'}",
            )  # fmt: skip
            return
        how = "was there already" if placed.already else f"placed ({placed.how})"
        text = f"{how}: this machine starts no write any more"
        self._told.line("STOP file", text, at=placed.at)
        if not placed.durable:
            self._told.unverified(
                "STOP file", f"it may not survive a power cut ({placed.problem})",
                "Free disk space, then press again.",
            )  # fmt: skip

    async def _end_frozen(self) -> None:
        """What stands still could be woken between its last look and its first byte."""
        if not stop_processes.can_see():
            self._told.line("processes", "cannot be looked at on this system", ok=None)
            return
        found = await asyncio.to_thread(stop_processes.servers, self._press.hive)
        desperate = not self._press.placed.present
        wanted = [one for one in found if one.frozen or (desperate and one.writes)]
        for one in wanted:
            ended = await asyncio.to_thread(stop_processes.end, one.pid)
            name = f"{one.server} (pid {one.pid})"
            why = "stood still" if one.frozen else "holds a key"
            if ended:
                self._told.line("processes", f"{name} {why}: ended")
            else:
                self._told.unverified(
                    "processes", f"{name} {why} and cannot be ended", f"kill -9 {one.pid}"
                )
        self._told.facts["ended_processes"] = [one.server for one in wanted]

    async def _raise_row(self) -> Raised | None:
        """Try until it holds or the time is over."""
        loop = asyncio.get_running_loop()
        press, problem = self._press, ""
        deadline = loop.time() + press.database_s
        while True:
            try:
                self._store, row = await state.raised(
                    self._hive, press.database_url, press.reason, press.actor, press.clock
                )
            except SwarmError as error:
                if error.message != problem:
                    problem = error.message
                    self._told.line("database", f"not yet: {problem}", ok=None)
                await self._free_database()
            else:
                self._say_row(row)
                return row
            if loop.time() >= deadline or not self._worth_trying():
                break
            await asyncio.sleep(0.1)
        self._told.facts["row"] = False
        self._told.unverified(
            "database", f"it does not know of the stop ({problem}); other machines of this swarm "
            "are not known to have stopped", _ELSEWHERE,
        )  # fmt: skip
        return None

    def _worth_trying(self) -> bool:
        return bool(self._press.database_url) or self._hive.database_file.is_file()

    async def _free_database(self) -> None:
        if self._press.database_url is None:
            for pid in await asyncio.to_thread(state.end_frozen_holders, self._hive):
                self._told.line("processes", f"pid {pid} stood still with the database: ended")

    def _say_row(self, row: Raised) -> None:
        self._told.facts |= {"row": True, "epoch": row.epoch, "already": row.already}
        if row.already:
            self._told.line("database", f"was stopped already, epoch {row.epoch}: {row.reason}")
        else:
            text = f"stopped, epoch {row.epoch} (was {row.was}): every permit from before is void"
            self._told.line("database", text)

    async def _land(self) -> None:
        """Wait until every write that had begun has ended."""
        assert self._store is not None
        told, press, local = self._told, self._press, self._press.database_url is None
        try:
            first, ends, left = await state.landed(
                self._store,
                press.wait_s,
                lambda flying: state.orphans(flying, self._hive, press.offset_s) if local else [],
            )
        except StoreUnavailable as error:
            told.unverified("in flight", f"nobody can tell ({error.message})", _UNKNOWN)
            return
        told.facts["in_flight"] = {"at_first": len(first), "ended": dict(ends), "left": len(left)}
        how = ", ".join(f"{count} {status}" for status, count in sorted(ends.items()))
        if left:
            told.unverified(
                "in flight", f"{len(left)} writes had begun and have not ended: they may have "
                f"reached the vendor" + (f"; the others: {how}" if how else ""), _UNKNOWN,
            )  # fmt: skip
        elif ends["unknown"]:
            told.unverified("in flight", f"none any more ({how})", _UNKNOWN)
        elif first:
            told.line("in flight", f"none any more; {len(first)} had begun: {how}")
        else:
            told.line("in flight", "no write was on its way")

    async def _count(self) -> None:
        assert self._store is not None
        try:
            counts = await self._store.query(state.standing)
        except StoreUnavailable:
            return  # nice to know, and no part of the stop
        self._told.facts["standing"] = state.standing_text(counts)

    def _nobody_knows(self) -> None:
        text = "without the database nobody can tell which writes were on their way"
        self._told.unverified("in flight", text, _UNKNOWN)
        text = "the press is not on the audit record, only in this report"
        self._told.unverified("record", text, "Keep this output; press again when it is back.")

    async def _record(self, what: str, body: dict[str, Any]) -> None:
        """On record, in bounded time; after a failure it is not tried again."""
        if self._store is None or any(one.what == "record" for one in self._told.residue):
            return
        try:
            audit = AuditLog(self._hive, self._store, self._press.clock)
        except SwarmError as error:
            self._not_recorded(error.message)
            return
        body = {"reason": self._press.reason, **body}
        try:
            ref = await _within(record_stop(audit, what, self._press.actor, body), RECORD_S)
        except (SwarmError, TimeoutError) as error:
            self._not_recorded(getattr(error, "message", f"no answer within {RECORD_S:g} s"))
        else:
            self._told.facts.setdefault("audit_ids", []).append(ref.audit_id)
            self._told.line("record", f"audit {ref.audit_id}")
            await asyncio.to_thread(audit.close)

    def _not_recorded(self, why: str) -> None:
        text = f"the audit could not take it ({why})"
        self._told.unverified("record", text, "Keep this output; `swarm audit verify` says why.")

    async def _close(self) -> None:
        """The result on record, whatever it is."""
        if self._store is None:
            return
        told = self._told
        left = sorted({one.what for one in told.residue})
        result = {"verified": told.verified, "residue": left, "epoch": told.facts.get("epoch")}
        await self._record("result", result)
        await asyncio.to_thread(self._store.close)


_UNKNOWN = "`swarm sends unknown` lists them; look at the vendor, then `swarm sends resolve`."


async def _within(work: Coroutine[Any, Any, Any], seconds: float) -> Any:
    async with asyncio.timeout(seconds):
        return await work
