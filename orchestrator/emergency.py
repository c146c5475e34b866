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
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from guardrails.brakes import stop_processes
from guardrails.brakes.stop import StopSwitch
from guardrails.brakes.stop_raise import Raised
from guardrails.errors import StoreUnavailable
from guardrails.hive import Hive
from guardrails.store import Store
from orchestrator import emergency_state as state
from orchestrator.emergency_press import Press, not_recorded, record
from orchestrator.emergency_report import Told
from orchestrator.emergency_row import RowStep

if TYPE_CHECKING:  # loaded when the database knows already
    from orchestrator.emergency_tell import Messenger
    from orchestrator.emergency_vendors import CampaignStep

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
        self._store, row = await RowStep(self._press, self._hive, self._told).run()
        if row is None:
            self._nobody_knows()
        loaded = await self._load()
        if loaded is None:
            await self._landed(row)
        else:
            messenger, campaigns = loaded
            first = messenger.begin(self._press.reason, self._press.actor, self._told)
            await self._landed(row)
            if row is not None:
                await self._step("campaigns", campaigns.run(row.epoch, self._told))
            else:
                campaigns.not_asked(self._told)
            await self._look_again()
            await self._step("Slack", messenger.finish(first, self._told))
        await self._close()
        return self._told

    async def _landed(self, row: Raised | None) -> None:
        if row is not None:
            await self._step("record", self._record("pressed", {"epoch": row.epoch}))
            await self._step("in flight", self._land())
            await self._step("record", self._count())

    async def _load(self) -> tuple[Messenger, CampaignStep] | None:
        """The helpers; without them (half a checkout) the rest is done all the same."""
        try:
            return await self._helpers()
        except Exception as error:  # noqa: BLE001 - the button's edge: it goes on
            why = f"its part cannot be loaded ({type(error).__name__}: {str(error)[:200]})"
            by_hand = "Pause them at https://app.instantly.ai (Campaigns)."
            self._told.unverified("campaigns", f"not asked: {why}", by_hand)
            self._told.unverified("Slack", f"nobody was told: {why}", "Tell your team yourself.")
            return None

    async def _look_again(self) -> None:
        """Somebody may have lifted it meanwhile."""
        if self._store is None:
            return
        state_now = await asyncio.to_thread(StopSwitch(self._hive, self._store).state)
        if not state_now.stopped:
            text = "it was lifted while this ran: the swarm is NOT stopped"
            self._told.unverified("stop", text, "Talk to whoever resumed, or press again.")
            self._told.facts |= {"file": False, "row": False, "lifted": True}

    async def _step(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        """One that breaks is not verified; the others are done all the same."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the button's edge: it goes on
            text = f"it broke ({type(error).__name__}: {str(error)[:200]})"
            self._told.unverified(what, text, "Look at it by hand; this is a defect: report it.")

    async def _record(self, what: str, body: dict[str, Any]) -> None:
        if self._store is not None:
            await record(self._press, self._hive, self._store, self._told, what, body)

    def _say_file(self) -> None:
        placed = self._press.placed
        self._told.facts["file"] = placed.present
        if not placed.present:
            self._told.unverified(
                "STOP file", f"could not be placed ({placed.problem})",
                f"Free disk space, then: touch {self._press.hive / 'STOP'}",
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
        if desperate:  # nothing else holds this machine for certain
            for pid in await asyncio.to_thread(stop_processes.queens, self._press.hive):
                if await asyncio.to_thread(stop_processes.end, pid):
                    self._told.line("processes", f"the queen (pid {pid}): ended")
        for one in found:
            if one.frozen or (desperate and one.writes):
                await asyncio.to_thread(self._end_one, one)

    def _end_one(self, one: stop_processes.Running) -> None:
        name, why = f"{one.server} (pid {one.pid})", "stood still" if one.frozen else "holds a key"
        if stop_processes.end(one.pid):
            self._told.line("processes", f"{name} {why}: ended")
        else:
            self._told.unverified(
                "processes", f"{name} {why} and cannot be ended", f"kill -9 {one.pid}"
            )

    async def _land(self) -> None:
        """Wait until every write that had begun has ended."""
        assert self._store is not None
        told, press = self._told, self._press
        try:
            first, ends, left = await state.landed(
                self._store, press.wait_s, self._lost, press.clock
            )  # fmt: skip
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

    def _lost(self, flying: Sequence[state.InFlight]) -> Sequence[state.InFlight]:
        """Those whose process is dead, now that none stands still. Blocks."""
        for one in stop_processes.servers(self._press.hive):
            if one.frozen:
                self._end_one(one)
        local = self._press.database_url is None
        return state.orphans(flying, self._hive, self._press.offset_s) if local else ()

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
        not_recorded(self._told, "the press is not on the audit record, only in this report")

    async def _close(self) -> None:
        """The result on record, whatever it is."""
        if self._store is None:
            return
        told = self._told
        left = sorted({one.what for one in told.residue})
        result = {"verified": told.verified, "residue": left, "epoch": told.facts.get("epoch")}
        await self._step("record", self._record("result", result))
        await asyncio.to_thread(self._store.close)


_UNKNOWN = "`swarm sends unknown` lists them; look at the vendor, then `swarm sends resolve`."
