"""The brakes that all processes share. Owns: one round trip for "may this call leave?".

Stop, breaker, retry budget, rate limit and spending cap are asked in one transaction; how earlier
calls ended rides along with it, or follows within moments. What is asked at the same time shares
a transaction. Refuses every call while the state cannot be read or written (P6): then nobody
could know whether it was the third of two.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Protocol

import structlog

from guardrails.batching import Batcher, Outcome
from guardrails.brakes.chaos import insert as insert_events
from guardrails.brakes.desk import CallEnd, Desk, Request
from guardrails.brakes.failures import FailureTracker
from guardrails.brakes.spend import SpendBook
from guardrails.brakes.stop import StopSwitch
from guardrails.brakes.vendor_state import Granted, VendorRules, VendorState
from guardrails.clock import Clock
from guardrails.errors import StoreUnavailable
from guardrails.store import Store, insert_if_absent
from guardrails.store.brake_tables import vendor_brakes

log = structlog.get_logger(__name__)
_LAZY_S = 0.05  # longest time that the end of a call waits for company
_MOST_KEPT = 1000  # ends of calls that wait for a database that is away


class Gatekeeper(Protocol):
    """What the vendor HTTP stack asks before every attempt, and tells after it."""

    async def admit(self, request: Request) -> Granted:
        """May it leave? See `Brakes.admit`."""

    def tell(self, end: CallEnd) -> None:
        """It has ended."""


_Item = tuple[Request | None, tuple[CallEnd, ...]]


class Brakes:
    """See the module. Safe to share within a process; close it before the store."""

    def __init__(
        self,
        store: Store,
        switch: StopSwitch,
        rules: Mapping[str, VendorRules],
        spend: SpendBook,
        failures: FailureTracker,
        clock: Clock,
    ) -> None:
        self._store = store
        self._switch = switch
        self._rules = dict(rules)
        self._spend = spend
        self._failures = failures
        self._clock = clock
        self._ended: list[CallEnd] = []
        self._guard = threading.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._batcher: Batcher[_Item, Granted | None] = Batcher(
            "brakes", self._work, lambda: StoreUnavailable("the brakes are closed")
        )
        with store.transaction() as conn:
            for vendor in self._rules:
                fresh = {"vendor": vendor, "document": VendorState().dump(), "updated_at": ""}
                insert_if_absent(conn, vendor_brakes, fresh)

    async def admit(self, request: Request) -> Granted:
        """Let the attempt leave, now or in `wait_s` seconds.

        Raises:
            Stopped: the emergency stop is in force.
            BreakerOpen, RateLimited, SpendCapped: nothing may leave; says until when.
            RetryBudgetSpent: a retry, and the vendor has had its share of them.
            StoreUnavailable: nobody can tell.
        """
        ended = self._take_ended()
        future = self._batcher.submit((request, ended))
        future.add_done_callback(lambda done: self._keep_unwritten(done, ended))
        granted = await asyncio.wrap_future(future)
        assert granted is not None  # a request is answered by a grant or an exception
        return granted

    def tell(self, end: CallEnd) -> None:
        """Write down how a call ended: at once when others must know, else with the next call."""
        with self._guard:
            self._ended.append(end)
        if end.urgent:
            self.flush()
        elif self._timer is None:
            with contextlib.suppress(RuntimeError):  # no loop: the next call or `close` takes it
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(_LAZY_S, self.flush)

    def flush(self) -> None:
        """Begin to write what has been told; never raises."""
        ended = self._take_ended()
        if not ended:
            return
        try:
            future = self._batcher.submit((None, ended))
        except StoreUnavailable:
            self._keep(ended)
            return
        future.add_done_callback(lambda done: self._keep_unwritten(done, ended))

    def close(self) -> None:
        """Write what is left. The store stays open."""
        self.flush()
        self._batcher.close()

    def _take_ended(self) -> tuple[CallEnd, ...]:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with self._guard:
            ended, self._ended = tuple(self._ended), []
        return ended

    def _keep_unwritten(self, done: Future[Granted | None], ended: tuple[CallEnd, ...]) -> None:
        # An answer of "no" was written all the same; only the database's own failure was not.
        if ended and (done.cancelled() or isinstance(done.exception(), StoreUnavailable)):
            self._keep(ended)

    def _keep(self, ended: tuple[CallEnd, ...]) -> None:
        """For the next transaction; failures go to their file. What is lost then: samples."""
        log.warning("call_ends_not_written", count=len(ended))
        self._failures.keep([end.failure for end in ended if end.failure is not None])
        with self._guard:
            rest = [replace(end, failure=None) for end in ended] + self._ended
            self._ended = rest[:_MOST_KEPT]

    def _work(self, items: Sequence[_Item]) -> list[Outcome[Granted | None]]:
        """One transaction for everything that waits."""
        with self._store.transaction() as conn:
            told = [end for _, ended in items for end in ended]
            desk = Desk(conn, self._rules, self._switch, self._spend, self._clock)
            desk.load(_vendors(items))
            outcomes: list[Outcome[Granted | None]] = []
            for request, ended in items:
                for end in ended:
                    desk.end(end)
                outcomes.append(desk.answer(request) if request else Outcome(None))
            self._failures.insert(conn, [end.failure for end in told if end.failure])
            insert_events(conn, [end.chaos for end in told if end.chaos])
            desk.save()
        return outcomes


def _vendors(items: Sequence[_Item]) -> set[str]:
    asked = {request.vendor for request, _ in items if request is not None}
    return asked | {end.vendor for _, ended in items for end in ended}
