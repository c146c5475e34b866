"""A run in the configured mode: decide, then deliver what may go now. Owns: what is tried when.

Each attempt is a workflow of its own. What may not go yet is left with its moment, for the same
command later, unless it shall wait. Other machines share what is due. Refuses to hurry anything
that the ledger puts off, and to deliver in shadow.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

from guardrails.clock import iso
from guardrails.errors import StoreUnavailable
from guardrails.model import Mode
from orchestrator.bootstrap import Swarm
from orchestrator.deliveries import Delivery, DeliveryState
from orchestrator.fleet.claims import Claimed
from orchestrator.intake import Progress
from orchestrator.run_records import Run
from orchestrator.shadow import NAP_S, ShadowRun
from orchestrator.shadow_log import EmailLog, NoLog

# Caps and pauses that hold for whoever is written to. The others are one domain's, or one lead's.
FOR_EVERYBODY = frozenset({"cap_day", "cap_hour", "cap_mailbox_day", "spacing", "paused"})
_LONG_NAP_S = 5.0  # a stop, or a Ctrl-C, is noticed within this


class SendingRun(ShadowRun):
    """One run over a running swarm that may send.

    Args:
        wait: stay until nothing waits any more, instead of leaving it for later.
    """

    def __init__(
        self, swarm: Swarm, leads: Path, limit: int | None, progress: Progress, *, wait: bool
    ) -> None:
        super().__init__(swarm, leads, limit, progress)
        self._wait = wait
        self._full_until: datetime | None = None
        self._in_hand: set[str] = set()  # claimed, and not at the end of this attempt
        self._tried: set[str] = set()  # in this round
        self._leaving: set[str] = set()  # to be given back

    def _log(self, run: Run) -> EmailLog:
        return super()._log(run) if self._swarm.mode is Mode.SHADOW else NoLog()

    async def _deliver(self, run: Run) -> int:
        deliveries = self._swarm.deliveries
        if self._swarm.mode is not Mode.SHADOW:
            while self._halted is None:
                await self._round(run)
                due = await deliveries.next_due(run.run_id)
                if not self._wait or due is None or not await self._until(due):
                    break
        return await deliveries.open(run.run_id) + await self._swarm.runs.awaiting(run.run_id)

    async def _round(self, run: Run) -> None:
        """Try everything that is due, once each, at most N at a time."""
        queue: asyncio.Queue[Claimed[Delivery] | None] = asyncio.Queue(self._ahead)
        self._done, self._full_until = 0, None
        self._tried.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(self._swarm.concurrency):
                group.create_task(self._deliverer(run, queue))
            await self._feed_due(run, queue)
        await self._claims.give_back(deliveries=self._leaving)
        self._leaving.clear()

    async def _feed_due(self, run: Run, queue: asyncio.Queue[Claimed[Delivery] | None]) -> None:
        try:
            while self._halted is None:
                batch = await self._next_due(run)
                for claimed in batch:
                    await queue.put(claimed)
                if not batch and not await self._wait_for_deliverers(run):
                    break
        except StoreUnavailable as error:
            self._concerns_all(error)
        for _ in range(self._swarm.concurrency):
            await queue.put(None)

    async def _next_due(self, run: Run) -> list[Claimed[Delivery]]:
        leaving, known = set(self._leaving), self._in_hand | self._tried
        batch = await self._claims.deliveries(self._ahead, known, leaving, run.run_id)
        self._leaving -= leaving
        self._in_hand |= {claimed.what.delivery_id for claimed in batch}
        return batch

    async def _wait_for_deliverers(self, run: Run) -> bool:
        """As `_wait_for_others`, for what is on its way out."""
        await self._members.ready(idle=not self._in_hand)
        known = self._in_hand | self._tried
        if not await self._claims.left_to_deliver(run.run_id, known):
            return False
        await asyncio.sleep(NAP_S)
        await self._check_stop()
        return self._halted is None

    async def _deliverer(self, run: Run, queue: asyncio.Queue[Claimed[Delivery] | None]) -> None:
        while (claimed := await queue.get()) is not None:
            delivery = claimed.what
            await self._check_stop()
            if self._halted is None and self._members.alive:
                self._tried.add(delivery.delivery_id)
                if not self._is_full(delivery):
                    await self._attempt(claimed)
                    await self._look_for_room(run, delivery)
                    self._done += 1
                    self._progress(self._done, 0, "delivering")
            self._in_hand.discard(delivery.delivery_id)
            self._leaving.add(delivery.delivery_id)

    def _is_full(self, delivery: Delivery) -> bool:
        """Whether it would only be told again that there is no room yet."""
        waits = delivery.state in {DeliveryState.QUEUED, DeliveryState.DEFERRED}
        return waits and self._full_until is not None

    async def _look_for_room(self, run: Run, delivery: Delivery) -> None:
        """A cap that holds for everybody puts off everybody: nobody else needs to ask for it."""
        deliveries = self._swarm.deliveries
        try:
            now = await deliveries.get(delivery.delivery_id)
            codes = {reason.code for reason in now.reasons}
            if now.state is not DeliveryState.DEFERRED or not codes & FOR_EVERYBODY:
                return
            if now.not_before is None or now.not_before <= self._swarm.clock():
                return
            self._full_until = now.not_before
            not_begun = sorted(self._in_hand - self._tried)
            await deliveries.put_off(run.run_id, now.not_before, now.reasons, not_begun)
        except StoreUnavailable as error:
            self._concerns_all(error)

    async def _until(self, due: datetime) -> bool:
        """Wait for that moment. False when a stop came first."""
        while (left := due - self._swarm.clock()) > timedelta():
            self._progress(0, 0, f"waiting until {iso(due)[:19]}Z")
            await asyncio.sleep(min(_LONG_NAP_S, left.total_seconds()))
            await self._check_stop()
            if self._halted is not None:
                return False
        return True
