"""Process faults that wait for their turn or are under way. Owns: their tasks, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from orchestrator.campaign.strikes import Strikes


class Pending:
    """The queue of one swarm; a round may leave some to the next."""

    def __init__(self, strikes: Strikes) -> None:
        self.strikes = strikes
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this when its turn comes."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def __bool__(self) -> bool:
        return bool(self._tasks)

    async def at_most(self, number: int) -> None:
        """Wait until no more than so many are left."""
        while len(self._tasks) > number:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def finish(self) -> None:
        """End what is under way, drop the rest."""
        self.strikes.finish()
        await self.at_most(0)
