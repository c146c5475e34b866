"""A worker of a rolling upgrade: the real loop, claims and engine over a workflow of two steps.

`python -m tests.orchestrator.fleet.worker HIVE URL VERSION TRACE WORKERS LIVES`. She begins when
so many WORKERS are there; who is to live beside others, when these have all that they can have in
hand: on a busy machine she might have done everything before they wake up. Each step leaves a line
behind; between the two of her row number LIVES she dies, unless it is 0.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, func, select, update

from guardrails.clock import utc_now
from guardrails.hive import Hive
from guardrails.leases import Holder, read_workers
from guardrails.model import Mode
from guardrails.store import open_store
from guardrails.store.tables import run_items
from orchestrator.deliveries import Deliveries
from orchestrator.engine import Engine, Json
from orchestrator.errands import Errands
from orchestrator.fleet.claims import Claims
from orchestrator.fleet.membership import Membership
from orchestrator.inbox import Inbox
from orchestrator.prepare import WORKFLOW
from orchestrator.service import Service

LEASE_S, RENEW_S, IN_HAND = 2.0, 0.5, 2


def may_begin(conn: Connection, workers: int, *, beside: bool) -> bool:
    """Whether enough are there, and those beside her have their rows."""
    taken = select(func.count()).where(run_items.c.claimed_by.is_not(None))
    in_hand: int = conn.execute(taken).scalar_one()
    return len(read_workers(conn)) >= workers and (in_hand >= IN_HAND or not beside)


async def work(hive: Hive, url: str, version: str, trace: Path, workers: int, lives: int) -> None:
    """Until every row has ended."""
    store = open_store(hive, url)
    holder = Holder(hive.chain_id(), "here", os.getpid(), version, Mode.ASSISTED.value)
    members = Membership(store, holder, LEASE_S, RENEW_S)
    engine = Engine(hive, url, members.executor, version)
    begun = itertools.count(1)

    async def note(what: str) -> Json:
        with trace.open("a") as file:
            file.write(f"{version} {what}\n")
        await asyncio.sleep(0.1)  # what a vendor takes
        return {"noted": what}

    async def prepare(run_id: str, row: int) -> Json:
        await engine.step("gather", note, f"gather {row}")
        if next(begun) == lives:
            await note(f"dies {row}")
            os.kill(os.getpid(), signal.SIGKILL)
        await engine.step("decide", note, f"decide {row}")
        here = (run_items.c.run_id == run_id, run_items.c.row == row, run_items.c.state.is_(None))
        ended = update(run_items).where(*here).values(state="blocked")
        await store.run(lambda conn: conn.execute(ended))
        return {"row": row}

    engine.register(WORKFLOW, prepare)
    engine.lock()
    async with members, engine:
        swarm: Any = SimpleNamespace(
            hive=hive, store=store, clock=utc_now, mode=Mode.ASSISTED, concurrency=IN_HAND,
            engine=engine, deliveries=Deliveries(store, utc_now, lambda: members.session),
            members=members, claims=Claims(store, utc_now, members, Mode.ASSISTED),
        )  # fmt: skip
        service = Service(swarm, Inbox(store, utc_now), {}, Errands([]))
        ended = asyncio.Event()
        beside = workers > 1 and not lives
        while not await store.query(  # noqa: ASYNC110 - other processes
            lambda conn: may_begin(conn, workers, beside=beside)
        ):
            await asyncio.sleep(0.05)
        running = asyncio.create_task(service.run(ended))
        left = select(run_items.c.row).where(run_items.c.state.is_(None)).limit(1)
        async with asyncio.timeout(60):
            while await store.query(  # noqa: ASYNC110 - others end rows, too
                lambda conn: conn.execute(left).first() is not None
            ):
                await asyncio.sleep(0.1)
        ended.set()
        await running
    engine.unlock()
    store.close()


if __name__ == "__main__":
    where, database, version, trace_file, *numbers = sys.argv[1:]
    hive = Hive.open(Path(where), sandbox=True)
    asyncio.run(work(hive, database, version, Path(trace_file), *map(int, numbers)))
