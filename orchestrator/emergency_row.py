"""The database step of an emergency stop. Owns: raising the row, and ending who keeps it down.

Refuses to wait for what will not mend itself, and to call anything stopped by a row that is not
committed.
"""

from __future__ import annotations

import asyncio

from guardrails.brakes.stop_raise import Raised
from guardrails.errors import SwarmError
from guardrails.hive import Hive
from guardrails.store import Store
from orchestrator import emergency_state as state
from orchestrator.emergency_press import Press
from orchestrator.emergency_report import Told

_AGAIN = "Press again when it is back."
_ELSEWHERE = "Press again when it is back; until then run this on every machine of the swarm."


class RowStep:
    """One press's row."""

    def __init__(self, press: Press, hive: Hive, told: Told) -> None:
        self._press = press
        self._hive = hive
        self._told = told

    async def run(self) -> tuple[Store, Raised] | tuple[None, None]:
        """Try until it holds or the time is over. The store it stands in is the caller's."""
        loop = asyncio.get_running_loop()
        press, problem = self._press, ""
        deadline = loop.time() + press.database_s
        while True:
            try:
                store, row = await state.raised(
                    self._hive,
                    press.database_url,
                    press.reason,
                    press.actor,
                    press.clock,
                    press.database_s,
                )
            except SwarmError as error:
                if (said := error.message.removeprefix("database: ")) != problem:
                    problem = said
                    self._told.line("database", f"not yet: {problem}", ok=None)
                freed = await self._free_database()
            else:
                self._say_row(row)
                return store, row
            if not freed and (loop.time() >= deadline or not self._may_come(problem)):
                break
            await asyncio.sleep(0.1)
        self._told.facts["row"] = False
        others = "other machines of this swarm are not known to have stopped"
        placed = press.placed.present
        here = "the STOP file alone holds this machine" if placed else "nor is there a STOP file"
        known = others if press.database_url else here
        text = f"it does not know of the stop ({problem}); {known}"
        self._told.unverified("database", text, _ELSEWHERE if press.database_url else _AGAIN)
        return None, None

    def _may_come(self, problem: str) -> bool:
        """Whether waiting could help: a full disk or a file that is gone will not mend itself."""
        return bool(self._press.database_url) or "locked" in problem

    async def _free_database(self) -> bool:
        """End who stands still with it; whether there was anybody."""
        if url := self._press.database_url:
            try:
                idle = await asyncio.to_thread(state.end_idle_holders, self._hive, url)
            except SwarmError:
                return False  # it is away altogether
            if idle:
                self._told.line("processes", f"{idle} idle sessions held the database: ended")
            return bool(idle)
        ended = await asyncio.to_thread(state.end_frozen_holders, self._hive)
        for pid in ended:
            self._told.line("processes", f"pid {pid} stood still with the database: ended")
        return bool(ended)

    def _say_row(self, row: Raised) -> None:
        self._told.facts |= {"row": True, "epoch": row.epoch, "already": row.already}
        if row.already:
            self._told.line("database", f"was stopped already, epoch {row.epoch}: {row.reason}")
        else:
            text = f"stopped, epoch {row.epoch} (was {row.was}): every permit from before is void"
            self._told.line("database", text)
