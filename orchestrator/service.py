"""The queen at work by herself. Owns: what is taken up when, for as long as she runs.

One cheap question to the database a moment, never one for each lead: what came in, what is due,
what is to be learned. At most N leads are in hand. What concerns everybody (stop, bank, audit,
database) makes her wait and ask again; nothing is forgotten, since everything stands in the
database. Refuses to deliver in shadow, and to hurry anything that the ledger puts off.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any

import structlog

from guardrails.errors import BadInput, StoreUnavailable, SwarmError
from guardrails.model import Mode
from orchestrator.bootstrap import Swarm
from orchestrator.deliveries import Delivery, DeliveryState
from orchestrator.errands import Errands
from orchestrator.inbox import Inbox, Received, Source
from orchestrator.lead_edge import LeadEdge
from orchestrator.run import FOR_EVERYBODY
from orchestrator.visitors import Pending, Visitors
from orchestrator.work import Work, look

log = structlog.get_logger(__name__)
Handler = Callable[[Received], Awaitable[str]]
TICK_S = 0.25
_TROUBLE_S = 2.0  # after what concerns everybody
_REST_S = 60.0  # before a piece of work that came to no end is tried again
_LONGEST_REST_S = 3600.0


class Service(LeadEdge):
    """The loop, over a running swarm.

    Args:
        handlers: who takes what came in, by its source.
        errands: what is done now and then.
    """

    def __init__(
        self,
        swarm: Swarm,
        inbox: Inbox,
        visitors: Visitors,
        handlers: Mapping[Source, Handler],
        errands: Errands,
    ) -> None:
        super().__init__(swarm)
        self._inbox = inbox
        self._visitors = visitors
        self._handlers = dict(handlers)
        self._errands = errands
        self._received: set[str] = set()
        self._pending: set[Pending] = set()
        self._deliveries: set[str] = set()
        self._asked: Counter[str] = Counter()  # without getting anywhere, by delivery
        self._tasks: set[asyncio.Task[None]] = set()
        self._resting: dict[Pending, float] = {}

    def told(self) -> dict[str, Any]:
        """For the heartbeat: how much is in hand, and what makes everybody wait, if anything."""
        return {
            "in_hand": len(self._tasks),
            "waits_because": self._halted.code if self._halted else None,
        }

    async def run(self, ended: asyncio.Event) -> None:
        """Work until `ended`; what is in hand then comes to its own end."""
        while not ended.is_set():
            started = time.monotonic()
            await self._round()
            pause = _TROUBLE_S if self._halted else TICK_S
            left = max(0.0, pause - (time.monotonic() - started))
            try:
                await asyncio.wait_for(ended.wait(), left)
            except TimeoutError:
                continue
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _round(self) -> None:
        self._halted = None
        await self._check_stop()
        try:
            await self._errands.run()
            if self._halted is None:
                await self._take_up(await look(self._swarm.store, self._swarm.clock, self._mode))
        except SwarmError as error:
            if not self._concerns_all(error):
                log.error("round_failed", code=error.code, error=error.message[:300])

    @property
    def _mode(self) -> Mode:
        return self._swarm.mode

    async def _take_up(self, work: Work) -> None:
        if work.inbox:
            await self._take_received()
        if work.visitors:
            for pending in await self._next_visitors():
                self._start(self._pending, pending, self._decide(pending))
        if work.deliveries and self._mode is not Mode.SHADOW:
            for delivery in await self._due():
                self._start(self._deliveries, delivery.delivery_id, self._deliver(delivery))

    async def _take_received(self) -> None:
        free = self._free()
        batch = await self._inbox.next_batch(free + len(self._received), tuple(self._handlers))
        for received in batch:
            if received.id not in self._received and self._free():
                self._start(self._received, received.id, self._take(received))

    async def _next_visitors(self) -> list[Pending]:
        now = time.monotonic()
        self._resting = {one: until for one, until in self._resting.items() if until > now}
        return await self._visitors.pending(self._free(), self._pending | set(self._resting))

    async def _decide(self, pending: Pending) -> None:
        await self._prepare(pending.run_id, pending.row)
        if self._crashed.pop(pending.row, None) is not None:
            self._resting[pending] = time.monotonic() + _REST_S  # not even its end is on record

    async def _due(self) -> list[Delivery]:
        free = self._free()
        if not free:
            return []
        return await self._swarm.deliveries.due_anywhere(free, sorted(self._deliveries))

    async def _take(self, received: Received) -> None:
        """One thing that came in. What cannot be understood is kept as junk; the rest is tried
        again."""
        handler = self._handlers[received.source]
        try:
            note = await handler(received)
            log.info("received", source=received.source.value, id=received.id, note=note[:200])
        except BadInput as error:
            await self._inbox.junk(received.id, error.message)
        except Exception as error:  # noqa: BLE001 - the delivery's edge: the others go on
            if isinstance(error, StoreUnavailable) or self._concerns_all(error):
                self._concerns_all(error)
                return  # it stands in the inbox
            log.warning("inbox_failed", id=received.id, error=repr(error)[:300])
            await self._inbox.fail(received.id, getattr(error, "code", type(error).__name__))

    async def _deliver(self, delivery: Delivery) -> None:
        await self._attempt(delivery)
        now = await self._swarm.deliveries.get(delivery.delivery_id)
        nothing_ended = now.updated_at == delivery.updated_at
        if now.state is DeliveryState.UNKNOWN or (nothing_ended and self._halted is None):
            # The vendor is asked again, but not all the time.
            self._asked[now.delivery_id] += 1
            wait = min(_REST_S * 2 ** (self._asked[now.delivery_id] - 1), _LONGEST_REST_S)
            until = self._swarm.clock() + timedelta(seconds=wait)
            await self._swarm.deliveries.rest(now.delivery_id, until)
        else:
            self._asked.pop(now.delivery_id, None)
        await self._look_for_room(now)

    async def _look_for_room(self, now: Delivery) -> None:
        """A cap that holds for everybody puts off everybody: nobody else needs to ask for it."""
        deliveries = self._swarm.deliveries
        codes = {reason.code for reason in now.reasons}
        late = now.state is DeliveryState.DEFERRED and now.not_before is not None
        if not late or not codes & FOR_EVERYBODY or now.not_before is None:
            return
        if now.not_before > self._swarm.clock():
            await deliveries.put_off(None, now.not_before, now.reasons, sorted(self._deliveries))

    def _free(self) -> int:
        return max(0, self._swarm.concurrency - len(self._tasks))

    def _start(self, in_hand: set[Any], name: Any, work: Coroutine[Any, Any, None]) -> None:
        in_hand.add(name)
        task = asyncio.create_task(self._edge(work), name=f"work-{name}")
        self._tasks.add(task)

        def ended(_task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            in_hand.discard(name)

        task.add_done_callback(ended)

    async def _edge(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            if not self._concerns_all(error):
                log.exception("work_failed")
