"""What the gateway counts, for Prometheus. Owns: names, labels and their closed sets of values.

A registry of its own. No label holds anything that came from outside: routes are ours, statuses
are three digits. Depths are read from the database when they are asked for, at most once in a
few seconds, however often somebody scrapes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from sqlalchemy import Connection, func, select

from guardrails.clock import Clock
from guardrails.errors import StoreUnavailable
from guardrails.store import Store
from guardrails.store.people_tables import approvals, slack_messages
from orchestrator.inbox import Inbox, Source
from orchestrator.inbox_state import InboxState

_FRESH_S = 3.0
_PATIENCE_S = 3.0
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)


@dataclass(frozen=True)
class Depths:
    """What waits."""

    inbox: dict[tuple[str, str], int]
    approvals: int
    slack: int


class Metrics:
    """The gateway's numbers.

    Args:
        spooled: bytes that wait for the database.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        spooled: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._inbox = Inbox(store, clock)
        self._spooled = spooled
        self._monotonic = monotonic
        self._read_at = float("-inf")
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "swarm_gateway_requests",
            "Requests, by route and status.",
            ("route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "swarm_gateway_accept_seconds",
            "From a request's head to its answer, of what was answered with 200.",
            ("route",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._depth = self._gauge(
            "inbox_depth", "Deliveries that are not done, by source and state.", "source", "state"
        )
        self._waiting = self._gauge("approvals_waiting", "Drafts that wait for a person.")
        self._slack = self._gauge("slack_outbox_depth", "Messages that Slack does not show yet.")
        self._spool = self._gauge("inbox_spool_bytes", "Deliveries that wait for the database.")
        self._up = self._gauge("database_up", "Whether the depths could be read: 1 or 0.")

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(route, str(status)).inc()
        if status == 200:
            self._seconds.labels(route).observe(seconds)

    async def text(self) -> bytes:
        """The exposition. A database that cannot be read shows as such, with no old depths."""
        if self._monotonic() >= self._read_at + _FRESH_S:
            self._read_at = self._monotonic()
            await self._refresh()
        self._spool.set(self._spooled())
        return generate_latest(self._registry)

    async def _refresh(self) -> None:
        self._depth.clear()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                depths = await self._depths()
        except (StoreUnavailable, TimeoutError):
            self._up.set(0)
            self._waiting.set(float("nan"))
            self._slack.set(float("nan"))
            return
        self._up.set(1)
        for source in Source:
            for state in (InboxState.NEW, InboxState.JUNK, InboxState.FAILED):
                number = depths.inbox.get((source.value, state.value), 0)
                self._depth.labels(source.value, state.value).set(number)
        self._waiting.set(depths.approvals)
        self._slack.set(depths.slack)

    async def _depths(self) -> Depths:
        def rest(conn: Connection) -> tuple[int, int]:
            waiting = select(func.count()).where(approvals.c.state == "waiting")
            unshown = select(func.count()).where(
                slack_messages.c.state.in_(("new", "posting"))
                | (
                    (slack_messages.c.state == "posted")
                    & (slack_messages.c.wanted > slack_messages.c.shown)
                )
            )
            return conn.execute(waiting).scalar_one(), conn.execute(unshown).scalar_one()

        inbox = await self._inbox.depths()
        return Depths(inbox, *await self._store.query(rest))

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"swarm_{name}", about, labels, registry=self._registry)
