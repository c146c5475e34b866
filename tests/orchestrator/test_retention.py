"""What nobody reads any more goes after its days, piece by piece; what proves anything stays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from guardrails.clock import iso, utc_now
from guardrails.config.models.retention import RetentionRules
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.brake_tables import chaos_events, failures, spend_entries
from guardrails.store.people_tables import heartbeats, inbox
from guardrails.store.tables import enrichment_cache, metadata, spent_permits
from orchestrator.engine import Engine
from orchestrator.retention import PIECE, PIECES, Retention, rules
from orchestrator.retention_engine import forget_ended
from tests.conftest import SteppableClock

pytestmark = pytest.mark.anyio
Row = dict[str, Any]
KEPT = RetentionRules()


def came(number: int, at: datetime, state: str = "done") -> Row:
    return {
        "id": f"rb2b:{number}", "source": "rb2b", "kind": "visitor", "state": state,
        "body": "{}", "attempts": 0, "received_at": iso(at), "updated_at": iso(at),
    }  # fmt: skip


def paid(number: int, at: datetime, status: str = "settled") -> Row:
    return {
        "entry_id": f"E-{number}", "day": f"{at:%F}", "vendor": "clay", "operation": "run_routine",
        "status": status, "reserved_micros": 1, "created_at": iso(at), "updated_at": iso(at),
    }  # fmt: skip


def permit(number: int, at: datetime) -> Row:
    return {"permit_id": f"P-{number}", "action": "send", "spent_at": iso(at), "spent_by": "ghl"}


def failed(number: int, at: datetime) -> Row:
    return {
        "failure_id": f"F-{number}", "at": iso(at), "server": "ghl", "operation": "search",
        "kind": "timeout", "signature": "s", "detail": "late", "attempt": 1, "cost_micros": 0,
    }  # fmt: skip


def chaos(number: int, at: datetime) -> Row:
    return {"event_id": f"C-{number}", "at": iso(at), "site": "ghl.search", "attempt": 1}


def cached(number: int, at: datetime) -> Row:
    return {"key": f"clay:{number}", "document": "{}", "fetched_at": iso(at), "expires_at": iso(at)}


def beat(number: int, at: datetime, **said: str) -> Row:
    return {
        "name": f"queen@host{number}", "pid": 1, "host": "host", "started_at": iso(at),
        "beat_at": iso(at), "interval_s": 5, "document": json.dumps(said),
    }  # fmt: skip


@pytest.fixture
def retention(store: Store, clock: SteppableClock) -> Retention:
    return Retention(store, KEPT, clock)


def put(store: Store, table: Any, *rows: Row) -> None:
    with store.transaction() as conn:
        conn.execute(insert(table), list(rows))


def count(store: Store, table: Any) -> int:
    with store.read() as conn:
        return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


@pytest.mark.parametrize(
    ("table", "row", "name", "days"),
    [
        (spent_permits, permit, "spent permits", KEPT.permit_days),
        (failures, failed, "failures", KEPT.failure_days),
        (chaos_events, chaos, "chaos", KEPT.failure_days),
        (spend_entries, paid, "paid calls", KEPT.spend_entry_days + 1),
        (enrichment_cache, cached, "cached facts", 0),
    ],
)
async def test_a_row_goes_when_its_days_are_over_and_not_a_day_before(
    store: Store,
    clock: SteppableClock,
    retention: Retention,
    table: Any,
    row: Callable[[int, datetime], Row],
    name: str,
    days: int,
) -> None:
    put(
        store,
        table,
        row(1, clock() - timedelta(days=days + 1)),
        row(2, clock() + timedelta(days=1)),
    )
    put(store, table, row(3, clock() - timedelta(days=days - 1)))
    assert await retention.run() == {name: 1}
    assert await retention.run() == {}
    assert count(store, table) == 2


async def test_bodies_go_and_ids_stay_so_that_nothing_comes_in_twice(
    store: Store, clock: SteppableClock, retention: Retention
) -> None:
    old, young = clock() - timedelta(days=91), clock() - timedelta(days=89)
    states = ("done", "junk", "new", "failed")
    put(store, inbox, *(came(number, old, state) for number, state in enumerate(states)))
    put(store, inbox, came(9, young))
    assert await retention.run() == {"inbox bodies": 2}
    with store.read() as conn:
        rows = conn.execute(select(inbox.c.state, inbox.c.body).order_by(inbox.c.id)).all()
    assert [(row.state, row.body is None) for row in rows] == [
        ("done", True), ("junk", True), ("new", False), ("failed", False), ("done", False),
    ]  # fmt: skip


async def test_money_that_is_not_accounted_for_is_never_forgotten(
    store: Store, clock: SteppableClock, retention: Retention
) -> None:
    states = ("settled", "released", "reserved", "unknown")
    old = clock() - timedelta(days=900)
    put(store, spend_entries, *(paid(number, old, state) for number, state in enumerate(states)))
    assert await retention.run() == {"paid calls": 2}
    with store.read() as conn:
        left = conn.execute(select(spend_entries.c.status)).scalars().all()
    assert sorted(left) == ["reserved", "unknown"]


async def test_who_fell_silent_is_missed_for_ever_and_who_ended_is_not(
    store: Store, clock: SteppableClock, retention: Retention
) -> None:
    old, ended = clock() - timedelta(days=31), iso(clock() - timedelta(days=31))
    put(store, heartbeats, beat(1, old), beat(2, old, ended_at=ended))
    put(store, heartbeats, beat(3, old, ended_at=ended, error="defect"))
    put(store, heartbeats, beat(4, clock(), ended_at=iso(clock())))
    assert await retention.run() == {"heartbeats": 1}
    with store.read() as conn:
        left = conn.execute(select(heartbeats.c.name).order_by(heartbeats.c.name)).scalars().all()
    assert left == ["queen@host1", "queen@host3", "queen@host4"]


async def test_a_pass_has_an_end_and_the_next_one_goes_on(
    store: Store, clock: SteppableClock, retention: Retention
) -> None:
    old = clock() - timedelta(days=200)
    put(store, failures, *(failed(number, old) for number in range(PIECE * PIECES + 1)))
    assert await retention.run() == {"failures": PIECE * PIECES}
    assert await retention.run() == {"failures": 1}


async def test_two_at_once_do_no_harm(store: Store, clock: SteppableClock) -> None:
    old = clock() - timedelta(days=200)
    put(store, failures, *(failed(number, old) for number in range(PIECE * 2)))
    put(store, failures, failed(-1, clock()))
    both = [Retention(store, KEPT, clock) for _ in range(2)]
    await asyncio.gather(*(one.run() for one in both))
    assert count(store, failures) == 1


def test_what_decides_proves_or_protects_has_no_rule() -> None:
    touched = {rule.table.name for rule in rules(KEPT)}
    assert touched <= set(metadata.tables)
    assert not touched & {
        "audit_index", "audit_heads", "documents", "writes", "deliveries", "approvals", "outcomes",
        "lessons", "lesson_folds", "suppressions", "runs", "run_items", "spend_days", "paid_runs",
        "stop_state", "fleet", "shadow_emails", "quarantined_leads",
    }  # fmt: skip


async def test_without_its_database_nothing_is_said_to_be_done(
    store: Store, retention: Retention
) -> None:
    from guardrails.errors import StoreUnavailable

    with store.transaction() as conn:
        conn.exec_driver_sql("ALTER TABLE failures RENAME TO away")
    with pytest.raises(StoreUnavailable):
        await retention.run()


@pytest.mark.processes
async def test_the_engine_forgets_what_ended_long_ago_and_nothing_else(
    hive: Hive, store_url: str | None
) -> None:
    engine, go_on = Engine(hive, store_url), asyncio.Event()

    async def wait(text: str) -> Row:
        if text == "late":
            await go_on.wait()
        if text == "bad":
            raise ValueError(text)
        return {"said": text}

    async def workflow(text: str) -> Row:
        return await engine.step("wait", wait, text)

    engine.register("one", workflow)
    engine.lock()
    async with engine:
        names = ["early", "bad", "late"]
        tasks = [asyncio.create_task(engine.run("one", name, name)) for name in names]
        done, _ = await asyncio.wait(tasks[:2])
        assert len(done) == 2
        with pytest.raises(ValueError, match="bad"):
            await tasks[1]
        assert await forget_ended(utc_now() - timedelta(days=7)) == 0
        assert await forget_ended(utc_now() + timedelta(seconds=60)) == 2
        assert await forget_ended(utc_now() + timedelta(seconds=60)) == 0
        go_on.set()
        assert await tasks[2] == {"said": "late"}
        assert await forget_ended(utc_now() + timedelta(seconds=60)) == 1
    engine.unlock()
