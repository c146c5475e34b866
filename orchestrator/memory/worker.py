"""The memory at work by itself. Owns: who drains now, when, how fast, and what is told of it.

Of all processes on a database one holds the duty; the others look now and then whether it is free.
After trouble it waits longer each time, with chance in it, so that no two projects' clients knock
together; after an outage the backlog goes at a bounded rate. Refuses to end for anything but its
end: whatever happens is told by `status` and tried again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import Connection, select

from guardrails.clock import Clock, iso
from guardrails.errors import StoreUnavailable, SwarmError
from guardrails.fleet import hold, let_go, salt_check
from guardrails.remembering import BELIEVED_S, Fact, remember
from guardrails.store import Store
from guardrails.store.tables import audit_heads
from orchestrator.memory.backfill import next_page
from orchestrator.memory.drain import Drain
from orchestrator.memory.pull import Pull
from orchestrator.memory.rows import Sender
from orchestrator.memory.standing import Standing, write_standing
from orchestrator.memory.wire import MemoryRefused, MemoryWire

log = structlog.get_logger(__name__)
DUTY = "memory"
_HOLD_S = 30.0
_RENEW_S = 10.0
_IDLE_S = 0.5  # between two looks into an empty outbox
_BATCH_S = 0.5  # between two batches: with 250 facts each, 500 facts a second
_PULL_S = 2.0
_HEADS_S = 60.0
_GREET_S = 300.0
_PAST_S = 2 * BELIEVED_S  # by then whoever writes facts knows that there is a memory
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 60.0
_STRANGERS = "swarm_databases"


class Worker:
    """Drains, pulls and greets while it holds the duty.

    Args:
        holder: the hive. A second process of it drains as well, which doubles work and no fact.
        chance: 0 to 1, for waits.
    """

    def __init__(
        self,
        store: Store,
        wire: MemoryWire,
        sender: Sender,
        clock: Clock,
        holder: str,
        version: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._wire = wire
        self._sender = sender
        self._clock = clock
        self._holder = holder
        self._version = version
        self._monotonic = monotonic
        self._chance = chance
        self._drain = Drain(store, wire, sender, clock)
        self._pull = Pull(store, wire, sender, clock)
        self._held_until = self._pull_at = self._heads_at = self._greet_at = 0.0
        self._failures = 0
        self._told: str | None = None
        self._tell_at = 0.0
        self._past_left = True
        self._past_at = monotonic() + _PAST_S
        self._heads_said: dict[str, int] = {}
        self.standing = Standing()

    async def run(self, ended: asyncio.Event) -> None:
        """Until `ended`; then the duty is left to whoever comes next."""
        while not ended.is_set():
            pause = await self.step()
            try:
                await asyncio.wait_for(ended.wait(), pause)
            except TimeoutError:
                continue
        if self.standing.drains:
            await self._leave()

    async def _leave(self) -> None:
        """Send the last of it, if that can be done at once, and leave the duty."""
        try:
            await self._store.run(self._heads)
            await self._drain.batch()
        except SwarmError as error:
            log.info("facts_wait", why=error.message)
        try:
            await self._store.run(lambda conn: let_go(conn, DUTY, self._holder))
        except StoreUnavailable:
            return  # it runs out by itself

    async def step(self) -> float:
        """Whatever is due now; gives how many seconds to wait before the next step."""
        try:
            if not await self._on_duty():
                return _RENEW_S / 2
            pause = await self._work()
            self._failures = 0
        except SwarmError as error:
            pause = self._troubled(error)
        except Exception as error:  # a defect: told, and tried again
            log.exception("memory_failed")
            pause = self._troubled(SwarmError(f"unexpected: {type(error).__name__}"))
        await self._tell()
        return pause

    async def _tell(self) -> None:
        """For whoever asks the database: at once when something is amiss or mended."""
        now, trouble = self._monotonic(), self.standing.trouble
        if not self.standing.drains or (trouble == self._told and now < self._tell_at):
            return
        self._told, self._tell_at = trouble, now + _RENEW_S
        at = iso(self._clock())
        try:
            await self._store.run(lambda conn: write_standing(conn, self.standing, at))
        except StoreUnavailable as error:
            log.info("standing_not_written", why=error.message)

    async def _on_duty(self) -> bool:
        now = self._monotonic()
        if now < self._held_until - _HOLD_S + _RENEW_S:
            return True
        has = await self._store.run(lambda conn: hold(conn, DUTY, self._holder, _HOLD_S))
        self._held_until = now + _HOLD_S if has else 0.0
        self._say(drains=has)
        return has

    async def _work(self) -> float:
        now = self._monotonic()
        if now >= self._greet_at:
            await self._greet()
            self._greet_at = now + _GREET_S
        if now >= self._heads_at:
            await self._store.run(self._heads)
            self._heads_at = now + _HEADS_S
        drained = await self._drain.batch()
        if self._past_left and now >= self._past_at and not drained.more:
            at = iso(self._clock())
            self._past_left = await self._store.run(lambda conn: next_page(conn, at))
        self._say(last_success=iso(self._clock()), trouble=None)
        if now >= self._pull_at:
            self._say(refused=(await self._pull.look()).refused)
            self._pull_at = now + _PULL_S
        return _BATCH_S if drained.more else _IDLE_S

    async def _greet(self) -> None:
        """Say who we are, and see that what is written can be read: row security answers a key
        that it keeps out with nothing, not with an error.
        """
        me = {
            "key": self._sender.origin,
            "salt_check": salt_check(self._sender.salt),
            "sandbox": self._sender.sandbox,
            "version": self._version,
            "at": iso(self._clock()),
        }
        await self._wire.upsert(_STRANGERS, [me], merge=True)
        rows: list[dict[str, Any]] = []
        while page := await self._wire.page(_STRANGERS, {}, ("key",), len(rows)):
            rows += page
        if not any(row.get("key") == me["key"] for row in rows):
            raise MemoryRefused(
                "what is written cannot be read: row security hides it from this key",
                remedy="SUPABASE_KEY must be a secret key (sb_secret_...) or the service_role key.",
            )
        others = [row for row in rows if row.get("sandbox") is me["sandbox"]]
        strangers = sum(row.get("salt_check") != me["salt_check"] for row in others)
        self._say(strangers=strangers)

    def _heads(self, conn: Connection) -> None:
        """Where each chain of this database stands; said again when it has moved."""
        now = iso(self._clock())
        for row in conn.execute(select(audit_heads)).all():
            if row.seq > self._heads_said.get(row.chain, 0):
                told = {"chain": row.chain, "seq": row.seq, "hash": row.hash, "at": row.updated_at}
                remember(conn, Fact.HEAD, f"{row.chain}:{row.seq}", now, told)
                self._heads_said[row.chain] = row.seq

    def _troubled(self, error: SwarmError) -> float:
        self._failures += 1
        self._say(trouble=f"{error.message}. {error.remedy}")
        log.warning("memory_waits", code=error.code, why=error.message, failures=self._failures)
        wait = min(_FIRST_WAIT_S * 2.0 ** min(self._failures, 10), _LONGEST_WAIT_S)
        return max(wait * (0.5 + self._chance() / 2), min(error.retry_after_s or 0.0, 600.0))

    def _say(self, **changed: Any) -> None:
        self.standing = replace(self.standing, **changed)
