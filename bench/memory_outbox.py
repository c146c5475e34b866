"""The long-term memory: how fast the outbox empties, what a fact costs whoever writes it, and what
a lead costs with and without a memory.

Against the twin of Supabase, in a process of its own on this machine, over real HTTP.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

from sqlalchemy import Connection

from bench.common import leads_file, scratch, show, swarm
from guardrails.clock import iso, utc_now
from guardrails.hive import Hive
from guardrails.remembering import Fact, begin, end, remember
from guardrails.store import Store, open_store
from orchestrator.memory.drain import BATCH, Drain
from orchestrator.memory.rows import Sender
from orchestrator.memory.wire import MemoryWire
from orchestrator.shadow import ShadowRun
from orchestrator.twins import Twins, running_twins

FACTS = 10_000
LEADS = 200
ROUNDS = 3
_WRITES = 2_000


def _touch(conn: Connection, number: int) -> None:
    at = iso(utc_now())
    told = {"run_id": "R-1", "audit_id": f"A-{number}", "channel": "instantly", "at": at}
    remember(conn, Fact.TOUCH, f"A-{number}", at, told, f"L-{number % 500}")


def _open(folder: Path) -> tuple[Hive, Store]:
    hive = Hive.open(folder / "hive", sandbox=True)
    return hive, open_store(hive)


async def _drained(store: Store, sender: Sender, twins: Twins) -> float:
    env = twins.env
    async with MemoryWire(env["SUPABASE_URL"], env["SUPABASE_KEY"]) as wire:
        drain = Drain(store, wire, sender, utc_now)
        started = time.perf_counter()
        while (await drain.batch()).more:
            pass
        return time.perf_counter() - started


async def _throughput() -> tuple[object, ...]:
    with scratch() as folder:
        hive, store = _open(folder)
        with store.transaction() as conn:
            sender = Sender(begin(conn, iso(utc_now()), "a" * 16), True, hive.salt())
            for number in range(FACTS):
                _touch(conn, number)
        async with running_twins() as twins:
            seconds = await _drained(store, sender, twins)
        store.close()
    return (f"{FACTS:,}", BATCH, f"{seconds:.1f}", f"{FACTS / seconds:,.0f}")


def _cost(*, on: bool) -> float:
    """Microseconds a fact adds to a transaction that is there anyway."""
    with scratch() as folder:
        _, store = _open(folder)
        with store.transaction() as conn:
            begin(conn, iso(utc_now()), "a" * 16)
            if not on:
                end(conn)
        with store.transaction() as conn:
            _touch(conn, -1)
            started = time.perf_counter()
            for number in range(_WRITES):
                _touch(conn, number)
            seconds = time.perf_counter() - started
        store.close()
    return 1e6 * seconds / _WRITES


async def _lead(memory: str) -> tuple[float, float]:
    """(seconds until ready, seconds a lead)"""
    with scratch() as directory:
        leads = leads_file(directory, LEADS)
        began = time.perf_counter()
        async with swarm(directory, 16, {"SWARM_SANDBOX_MEMORY": memory}) as running:
            ready = time.perf_counter() - began
            started = time.perf_counter()
            outcome = await ShadowRun(running, leads, None, lambda *_: None).execute(fresh=True)
            took = time.perf_counter() - started
            assert not outcome.crashed
            return ready, took / LEADS


def main() -> None:
    """Print the tables."""
    columns = ("facts", "in a batch", "seconds", "facts/s, unpaced")
    show("Emptying the outbox (SQLite)", columns, [asyncio.run(_throughput())])
    costs = (("without a memory", f"{_cost(on=False):.1f}"), ("with one", f"{_cost(on=True):.1f}"))
    show("A fact in its transaction (SQLite)", ("", "microseconds"), costs)
    found: dict[str, list[tuple[float, float]]] = {"0": [], "1": []}
    for _ in range(ROUNDS):  # by turns, since the machine is never as quick twice
        for memory, runs in found.items():
            runs.append(asyncio.run(_lead(memory)))
    rows = []
    for memory, name in (("0", "without a memory"), ("1", "with one")):
        ready, lead = (statistics.median(one[at] for one in found[memory]) for at in (0, 1))
        base = statistics.median(one[1] for one in found["0"])
        rows.append((name, f"{ready:.1f}", f"{1000 * lead:.1f}", f"{lead / base:.2f}"))
    show(
        f"{LEADS} leads, 16 in flight (median of {ROUNDS})",
        ("", "seconds until ready", "ms a lead", "ratio"),
        rows,
    )


if __name__ == "__main__":
    main()
