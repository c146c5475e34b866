"""This queen among the others. Owns: her session, renewed while she lives, begun anew when lost.

The lease is renewed from her own event loop: a queen that hangs loses it, and others go on with
what she had. Lost is lost: she takes nothing up any more, what is in hand ends fenced, and only
then does she begin a new session. Refuses to believe in a lease that could not be renewed for as
long as it runs, whatever the database would say; and to take the hive from a later queen who lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection

import structlog
from sqlalchemy import Connection

from guardrails.errors import StoreUnavailable
from guardrails.leases import Holder, LeaseLost, end, new_session, renew, take
from guardrails.store import Store

log = structlog.get_logger(__name__)
_LAST_WORD_S = 5.0
# Linux has its own name for the clock that counts sleep; elsewhere the monotonic one does.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def passing() -> float:
    """Seconds that really pass. `time.monotonic` stands still while the machine sleeps, and the
    lease does not.
    """
    return time.clock_gettime(_CLOCK)


class Membership:
    """An async context: a session while the block runs.

    Args:
        seconds: how long a lease runs.
        every_s: how often it is renewed.
        passing: what really passes, also while process or machine stand still.
    """

    def __init__(
        self,
        store: Store,
        holder: Holder,
        seconds: float,
        every_s: float,
        *,
        passing: Callable[[], float] = passing,
    ) -> None:
        self._store = store
        self._holder = holder
        self._seconds = seconds
        self._every_s = every_s
        self._passing = passing
        self._runs_until = 0.0
        self._lost = False
        self._task: asyncio.Task[None] | None = None
        self._waits_until = 0.0  # for a later queen of this hive
        self.session = new_session(holder.worker)
        self._next = new_session(holder.worker)
        self.executor = self.session  # at the engine: for this process's life

    @property
    def worker(self) -> str:
        """This hive's name among the others."""
        return self._holder.worker

    @property
    def alive(self) -> bool:
        """Whether the session lives, as far as she can know without asking."""
        return not self._lost and self._passing() < self._runs_until

    async def __aenter__(self) -> Membership:
        """Begin the session; a former queen's is over. Raises StoreUnavailable."""
        await self._take(self.session, after=None)
        self._task = asyncio.create_task(self._go_on(), name="lease")
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        worker = self._holder.worker
        mine = (self.session, self._next)  # either may be what the database holds

        def over(conn: Connection) -> None:
            for session in mine:
                end(conn, worker, session)

        try:
            async with asyncio.timeout(_LAST_WORD_S):
                await self._store.run(over)
        except (StoreUnavailable, TimeoutError):
            log.warning("lease_not_ended", session=self.session)  # it runs out by itself

    async def ready(self, *, idle: bool) -> bool:
        """Whether work may be taken up. After a loss she begins anew as soon as she is `idle`."""
        if not self.alive and idle:
            await self._anew()
        return self.alive

    async def _anew(self) -> None:
        former = self.session
        if self._passing() < self._waits_until:
            return
        try:
            async with asyncio.timeout(self._seconds):
                # Either may be what the database holds: an answer can be lost.
                await self._take(self._next, after=(former, self._next))
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("session_not_begun", error=type(error).__name__)
            return
        except LeaseLost as error:
            self._waits_until = self._passing() + self._seconds
            log.error("another_queen_has_this_hive", why=error.message)
            return
        self.session, self._next = self._next, new_session(self._holder.worker)
        log.warning("session_begun_anew", former=former, session=self.session)

    async def _take(self, session: str, *, after: Collection[str] | None) -> None:
        asked, holder, seconds = self._passing(), self._holder, self._seconds
        says = {"executor": self.executor}
        await self._store.run(lambda conn: take(conn, holder, session, seconds, says, after=after))
        self._runs_until, self._lost = asked + seconds, False

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            if not self._lost:
                try:
                    async with asyncio.timeout(self._seconds):
                        await self._renew()
                except (StoreUnavailable, TimeoutError) as error:
                    log.warning("lease_not_renewed", error=type(error).__name__)

    async def _renew(self) -> None:
        asked, session = self._passing(), self.session
        worker, seconds = self._holder.worker, self._seconds
        try:
            await self._store.run(lambda conn: renew(conn, worker, session, seconds))
        except LeaseLost as error:
            if session == self.session:  # else she has begun anew meanwhile
                self._lost = True
                log.warning("lease_lost", why=error.message)
            return
        if session == self.session:
            self._runs_until = asked + seconds
