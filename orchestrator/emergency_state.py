"""What the database says while the swarm is being stopped. Owns: the row, writes in flight, counts.

Every call is bounded: the database may be locked, gone or slow, and the STOP file stands anyway.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, func, select, text

from guardrails import ledger_fates as fates
from guardrails.brakes import stop_processes
from guardrails.brakes.stop_raise import Raised, raise_row
from guardrails.clock import Clock, iso, parse
from guardrails.hive import Hive
from guardrails.ledger import Status
from guardrails.model import WriteAction
from guardrails.store import Store, open_existing
from guardrails.store.people_tables import approvals
from guardrails.store.tables import run_items, runs
from guardrails.store.write_tables import deliveries, writes

TRY_S = 2.0
_LOOK_S = 0.05
_OURS = "stop:"  # keys of the campaigns that the stop itself pauses
_OPEN = ("queued", "deferred", "unknown")
_END_IDLE = text(
    "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid "
    "WHERE l.relation = 'stop_state'::regclass AND l.granted AND a.pid <> pg_backend_pid() "
    "AND a.state LIKE 'idle in transaction%' AND a.state_change < now() - interval '1 second'"
)


@dataclass(frozen=True)
class InFlight:
    """A write whose request may be on its way."""

    key: str
    vendor: str
    action: str
    dispatched: float  # seconds since 1970, by the swarm's clock


async def raised(
    hive: Hive, url: str | None, reason: str, actor: str, clock: Clock, within_s: float
) -> tuple[Store, Raised]:
    """The row, raised, and the store it stands in; one try, `within_s` or less.

    Raises:
        StoreUnavailable, ConfigError: it could not be.
    """

    def work() -> tuple[Store, Raised]:
        store = open_existing(hive, url, wait_s=min(TRY_S, within_s))
        try:
            with store.transaction() as conn:
                found = raise_row(conn, reason, actor, iso(clock()))
        except BaseException:
            store.close()
            raise
        return store, found

    return await asyncio.to_thread(work)


def end_frozen_holders(hive: Hive) -> list[int]:
    """End what stands still with our database open: it may hold its lock for ever."""
    return [pid for pid in stop_processes.frozen_at(hive.database_file) if stop_processes.end(pid)]


def end_idle_holders(hive: Hive, url: str) -> int:
    """End PostgreSQL's sessions that hold the stop's row and have not moved for a second.

    A process that stands still on another machine keeps the stop from being raised. What it had
    begun is undone with its session: a permit that it was spending is not spent.
    """
    with closing(open_existing(hive, url, wait_s=TRY_S)) as store, store.transaction() as conn:
        return len(conn.execute(_END_IDLE).all())


def in_flight(conn: Connection) -> list[InFlight]:
    """Writes that are dispatched and have not ended, those of the stop itself left out."""
    c = writes.c
    ours = c.key.like(f"{_OURS}%") & (c.action == WriteAction.PAUSE_CAMPAIGN.value)
    found = conn.execute(
        select(c.key, c.vendor, c.action, c.dispatched_at).where(
            c.status == Status.DISPATCHING.value, ~ours
        )
    )
    return [
        InFlight(row.key, row.vendor, row.action, parse(row.dispatched_at).timestamp())
        for row in found
    ]


def orphans(flying: Sequence[InFlight], hive: Hive, offset_s: float) -> list[InFlight]:
    """Those that no process of this machine can be at any more: it has died since.

    For a hive whose database is a file here; elsewhere another machine may be at it.
    """
    if not stop_processes.can_see():
        return []
    alive = stop_processes.servers(hive.path)

    def has_owner(one: InFlight) -> bool:
        since = one.dispatched - offset_s + 1.0
        return any(each.server == one.vendor and each.started <= since for each in alive)

    return [one for one in flying if not has_owner(one)]


async def landed(
    store: Store,
    wait_s: float,
    lost: Callable[[Sequence[InFlight]], Sequence[InFlight]],
    clock: Clock,
    now: Callable[[], float] = time.monotonic,
) -> tuple[list[InFlight], Counter[str], list[InFlight]]:
    """Wait until no write is in flight.

    Args:
        lost: which of them nobody can be at any more; the ledger then has them as unknown.

    Returns:
        What was in flight at first, how those ended, and what has not ended.

    Raises:
        StoreUnavailable: nobody can tell.
    """
    deadline = now() + wait_s
    first = left = await store.query(in_flight)
    while left:
        if gone := [one.key for one in await asyncio.to_thread(lost, left)]:
            await store.run(partial(fates.lost, keys=gone, now=clock()))
        left = await store.query(in_flight)
        if not left or now() >= deadline:
            break
        await asyncio.sleep(_LOOK_S)
    ended = await store.query(partial(_ends, keys=[one.key for one in first]))
    return first, ended, left


def _ends(conn: Connection, keys: Sequence[str]) -> Counter[str]:
    open_ = {Status.DISPATCHING.value}
    found: Counter[str] = Counter()
    for first in range(0, len(keys), 200):
        some = select(writes.c.status).where(writes.c.key.in_(keys[first : first + 200]))
        found.update(status for status in conn.execute(some).scalars() if status not in open_)
    return found


def standing(conn: Connection) -> dict[str, int]:
    """What waits and is left where it is."""
    count = select(func.count())
    waiting = count.select_from(deliveries).where(deliveries.c.state.in_(_OPEN))
    asked = count.select_from(approvals).where(approvals.c.state == "waiting")
    undecided = (
        count.select_from(run_items)
        .join(runs, runs.c.run_id == run_items.c.run_id)
        .where(runs.c.status == "running", run_items.c.state.is_(None))
    )
    running = count.select_from(runs).where(runs.c.status == "running")
    counts = (waiting, asked, undecided, running)
    names = ("deliveries", "approvals", "undecided", "runs")
    return {
        name: int(conn.execute(statement).scalar_one())
        for name, statement in zip(names, counts, strict=True)
    }


def standing_text(counts: dict[str, int]) -> str:
    """The same for a person."""
    return (
        f"{counts['deliveries']} e-mails on their way out, {counts['approvals']} approvals, "
        f"{counts['undecided']} undecided leads of {counts['runs']} unfinished runs"
    )
