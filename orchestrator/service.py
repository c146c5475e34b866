"""The queen at work by herself. Owns: what is taken up when, for as long as she runs.

One cheap question to the database a moment, never one for each lead: what came in, what is to be
decided, what is due, what is to be learned. At most N leads are in hand, each claimed first: other
queens may work on the same database. What concerns everybody (stop, bank, audit, database) makes
her wait and ask again; nothing is forgotten, since everything stands in the database. Refuses to
deliver in shadow, to hurry anything that the ledger puts off, and to take up anything without a
session that lives.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

import structlog

from guardrails.errors import BadInput, StoreUnavailable, SwarmError
from guardrails.model import Mode
from orchestrator.bootstrap import Swarm
from orchestrator.deliveries import Delivery, DeliveryState
from orchestrator.errands import Errands
from orchestrator.fleet.claims import Claimed
from orchestrator.fleet.free_rows import Pending
from orchestrator.inbox import Inbox, Received, Source
from orchestrator.lead_edge import LeadEdge
from orchestrator.run import FOR_EVERYBODY
from orchestrator.work import InHand, Work, look

log = structlog.get_logger(__name__)
T = TypeVar("T")
Handler = Callable[[Received], Awaitable[str]]
TICK_S = 0.25
_TROUBLE_S = 2.0  # after what concerns everybody
_REST_S = 60.0  # before a piece of work that came to no end is tried again
_LONGEST_REST_S = 3600.0


@dataclass
class _Hands(Generic[T]):
    """Of one kind: what is in hand, and what is to be given back with the next claim."""

    held: set[T] = field(default_factory=set)
    done: set[T] = field(default_factory=set)

    def giving_back(self) -> frozenset[T]:
        """What may be given back now."""
        return frozenset(self.done - self.held)


def rest_after(times: int) -> timedelta:
    """How long a delivery rests that was asked about so many times in vain, 1 or more. It may be
    for months: until a person says what became of it.
    """
    return timedelta(seconds=min(_REST_S * 2.0 ** min(times - 1, 10), _LONGEST_REST_S))


class Service(LeadEdge):
    """The loop, over a running swarm.

    Args:
        handlers: who takes what came in, by its source.
        errands: what is done now and then.
    """

    def __init__(
        self, swarm: Swarm, inbox: Inbox, handlers: Mapping[Source, Handler], errands: Errands
    ) -> None:
        super().__init__(swarm)
        self._inbox = inbox
        self._handlers = dict(handlers)
        self._errands = errands
        self._received: _Hands[str] = _Hands()
        self._rows: _Hands[Pending] = _Hands()
        self._deliveries: _Hands[str] = _Hands()
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
            if self._halted is None and await self._members.ready(idle=not self._tasks):
                work = await look(self._swarm.store, self._swarm.clock, self._mode, self._known())
                await self._take_up(work)
        except SwarmError as error:
            if not self._concerns_all(error):
                log.error("round_failed", code=error.code, error=error.message[:300])

    @property
    def _mode(self) -> Mode:
        return self._swarm.mode

    def _known(self) -> InHand:
        now = time.monotonic()
        self._resting = {one: until for one, until in self._resting.items() if until > now}
        return InHand(
            self._members.session,
            frozenset(self._rows.held | set(self._resting)),
            frozenset(self._deliveries.held),
            frozenset(self._received.held),
        )

    async def _take_up(self, work: Work) -> None:
        known = self._known()
        if work.inbox and self._free():
            await self._take_received(known)
        if work.rows and self._free():
            await self._take_rows(known)
        if work.deliveries and self._free() and self._mode is not Mode.SHADOW:
            await self._take_deliveries(known)
        await self._give_back()

    async def _take_received(self, known: InHand) -> None:
        done = self._received.giving_back()
        batch = await self._claims.received(
            self._free(), known.received, tuple(self._handlers), done
        )
        self._received.done -= done
        for received in batch:
            self._start(self._received, received.id, self._take(received))

    async def _take_rows(self, known: InHand) -> None:
        done = self._rows.giving_back()
        batch = await self._claims.rows(self._free(), known.rows, done)
        self._rows.done -= done
        for claimed in batch:
            self._start(self._rows, claimed.what, self._decide(claimed))

    async def _take_deliveries(self, known: InHand) -> None:
        done = self._deliveries.giving_back()
        batch = await self._claims.deliveries(self._free(), known.deliveries, done)
        self._deliveries.done -= done
        for claimed in batch:
            delivery_id = claimed.what.delivery_id
            self._start(self._deliveries, delivery_id, self._deliver(claimed))

    async def _give_back(self) -> None:
        """What no claim has given back."""
        rows, deliveries = self._rows.giving_back(), self._deliveries.giving_back()
        received = self._received.giving_back()
        if rows or deliveries or received:
            await self._claims.give_back(rows, deliveries, received)
            self._rows.done -= rows
            self._deliveries.done -= deliveries
            self._received.done -= received

    async def _decide(self, claimed: Claimed[Pending]) -> None:
        await self._prepare(claimed)
        if self._crashed.pop(claimed.what, None) is not None:
            # Not even its end is on record.
            self._resting[claimed.what] = time.monotonic() + _REST_S

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

    async def _deliver(self, claimed: Claimed[Delivery]) -> None:
        delivery = claimed.what
        await self._attempt(claimed)
        now = await self._swarm.deliveries.get(delivery.delivery_id)
        nothing_ended = now.updated_at == delivery.updated_at
        if now.state is DeliveryState.UNKNOWN or (nothing_ended and self._halted is None):
            # The vendor is asked again, but not all the time.
            self._asked[now.delivery_id] += 1
            until = self._swarm.clock() + rest_after(self._asked[now.delivery_id])
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
            await deliveries.put_off(None, now.not_before, now.reasons)

    def _free(self) -> int:
        return max(0, self._swarm.concurrency - len(self._tasks))

    def _start(self, hands: _Hands[T], what: T, work: Coroutine[Any, Any, None]) -> None:
        hands.held.add(what)
        task = asyncio.create_task(self._edge(work), name=f"work-{what}")
        self._tasks.add(task)

        def ended(_task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            hands.held.discard(what)
            hands.done.add(what)

        task.add_done_callback(ended)

    async def _edge(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            if not self._concerns_all(error):
                log.exception("work_failed")
