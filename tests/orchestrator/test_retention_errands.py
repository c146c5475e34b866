"""The queen keeps house: each errand does its piece, and a trouble in one stops no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from dbos import DBOS
from sqlalchemy import insert, select, update

from guardrails.audit import AuditEntry, AuditLog
from guardrails.clock import iso, utc_now
from guardrails.config import load_config
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.brake_tables import failures
from guardrails.store.tables import audit_heads, audit_index
from orchestrator.bootstrap import Swarm
from orchestrator.engine import Engine
from orchestrator.errands import Errands
from orchestrator.retention_errands import COMPRESS_S, KEEP_S, NOTE_S, housekeeping
from tests.conftest import SteppableClock
from tests.orchestrator.test_retention import failed

pytestmark = [pytest.mark.anyio, pytest.mark.processes]


@pytest.fixture
async def swarm(
    hive: Hive, store: Store, store_url: str | None, clock: SteppableClock
) -> AsyncIterator[Swarm]:
    """What housekeeping looks at of a queen, with a real engine that works."""
    clock.now = utc_now()
    engine, audit = Engine(hive, store_url), AuditLog(hive, store, clock)

    async def say(text: str) -> dict[str, Any]:
        return {"said": text}

    engine.register("say", say)
    engine.lock()
    async with engine:
        await engine.run("say", "once", "hello")
        parts = SimpleNamespace(
            hive=hive, store=store, audit=audit, clock=clock, config=load_config(None)
        )
        yield cast("Swarm", parts)
    engine.unlock()
    audit.close()


async def days(swarm: Swarm, clock: SteppableClock, number: int) -> None:
    for _ in range(number):
        await swarm.audit.record([AuditEntry("review", "gate")])
        clock.step(days=1)


async def test_she_does_all_of_it_and_one_day_at_a_time(
    swarm: Swarm, store: Store, clock: SteppableClock
) -> None:
    other = {"chain": "other", "seq": 3, "hash": "3" * 64, "updated_at": iso(clock())}
    with store.transaction() as conn:
        conn.execute(insert(failures), [failed(1, clock() - timedelta(days=300))])
        conn.execute(insert(audit_heads), [other])
    await days(swarm, clock, 3)
    if store.dialect == "postgresql":
        with store.transaction() as conn:  # as another version left it
            conn.execute(update(audit_index).values(line=None))
    clock.step(days=30)
    now = [0.0]
    errands = Errands(housekeeping(swarm), monotonic=lambda: now[0])
    await errands.run()
    packed = sorted(path.name for path in swarm.hive.audit_dir.glob("*.gz"))
    assert len(packed) == 1
    now[0] += max(COMPRESS_S, KEEP_S, NOTE_S)
    await errands.run()
    await errands.run()
    # The newest day stays open: the notes began one.
    assert len(list(swarm.hive.audit_dir.glob("*.gz"))) == 2
    [note] = [record for record in swarm.audit.iter_records() if record["kind"] == "anchor"]
    assert note["body"] == {"heads": {"other": {"seq": 3, "hash": "3" * 64}}}
    with store.read() as conn:
        assert conn.execute(select(failures.c.failure_id)).all() == []
        lines = conn.execute(select(audit_index.c.line)).scalars().all()
    assert all((line is None) == (store.dialect == "sqlite") for line in lines)
    left = await DBOS.list_workflows_async(load_input=False, load_output=False)
    assert left == []


async def test_an_audit_that_cannot_be_compressed_stops_nothing_else(
    swarm: Swarm, store: Store, clock: SteppableClock
) -> None:
    await days(swarm, clock, 2)
    [first, _] = sorted(swarm.hive.audit_dir.glob("*.jsonl"))
    first.write_bytes(first.read_bytes()[:-1])
    with store.transaction() as conn:
        conn.execute(insert(failures), [failed(1, clock() - timedelta(days=300))])
    clock.step(days=30)
    await Errands(housekeeping(swarm)).run()
    with store.read() as conn:
        assert conn.execute(select(failures.c.failure_id)).all() == []
    assert first.exists()
