"""Storing what came in before it is answered. Owns: the database first, the spool when it is away.

Bounded: a database that does not answer in time is left alone for a while, so that every sender is
answered within its limit and nothing piles up in memory. A delivery may be stored twice over (a
write that was given up can still happen): its id makes that the same row.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from enum import StrEnum

import structlog

from guardrails.errors import StoreUnavailable
from guardrails.store import Store
from orchestrator.gateway.incoming import Incoming
from orchestrator.gateway.spool import Spool

log = structlog.get_logger(__name__)
PATIENCE_S = 2.0  # for one write; RB2B gives up at 15 s, and the body may take 10 of them
PAUSE_S = 5.0  # in which a database that was away is not asked
ABSORB_S = 2.0  # between looks at the spool


class Taken(StrEnum):
    """How a delivery was taken."""

    NEW = "new"  # it is in the inbox
    KNOWN = "known"  # it was there already
    SPOOLED = "spooled"  # it is on disk, and goes into the inbox when the database is back


class Intake:
    """Takes deliveries.

    Args:
        monotonic: seconds that only grow.
        patience_s, pause_s: see above.
    """

    def __init__(
        self,
        store: Store,
        spool: Spool,
        monotonic: Callable[[], float] = time.monotonic,
        patience_s: float = PATIENCE_S,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._store = store
        self.spool = spool
        self._monotonic = monotonic
        self._patience_s = patience_s
        self._pause_s = pause_s
        self._away_until = float("-inf")

    async def take(self, incoming: Incoming) -> Taken:
        """Store it, or put it on disk.

        Raises:
            DiskTrouble: neither is possible; the sender must not be told that we have it.
        """
        if self._monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(self._patience_s):
                    new = await self._store.run(incoming.apply)
            except (StoreUnavailable, TimeoutError) as error:
                self._away_until = self._monotonic() + self._pause_s
                log.warning("inbox_away", error=type(error).__name__, spooling_s=self._pause_s)
            else:
                return Taken.NEW if new else Taken.KNOWN
        await self.spool.add(incoming)
        return Taken.SPOOLED

    async def absorb(self) -> int:
        """Move the spool into the inbox; how many were new. A database that is away is no error."""
        if not self.spool.waiting():
            return 0
        try:
            moved = await self.spool.absorb(self._store)
        except (StoreUnavailable, OSError) as error:
            log.warning("spool_not_absorbed", error=type(error).__name__)
            return 0
        self._away_until = float("-inf")  # it is back
        log.warning("spool_absorbed", deliveries=moved)
        return moved

    async def keep_absorbing(self) -> None:
        """For ever: the spool goes into the inbox as soon as the database is back."""
        while True:
            await self.absorb()
            await asyncio.sleep(ABSORB_S)
