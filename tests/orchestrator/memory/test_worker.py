"""The memory at work: one drains at a time, trouble is told and waited out, nothing is a burst."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from guardrails.clock import iso
from guardrails.remembering import BELIEVED_S, Fact, begin, remember
from guardrails.store import Store
from guardrails.store.people_tables import lessons, outcomes
from guardrails.store.rows import upsert
from guardrails.store.tables import audit_heads, suppressions
from guardrails.store.write_tables import deliveries
from guardrails.suppression import suppress_hash
from orchestrator.memory.drain import BATCH
from orchestrator.memory.rows import Sender
from orchestrator.memory.standing import read_standing
from orchestrator.memory.wire import MemoryWire
from orchestrator.memory.worker import Worker
from servers.sandbox.twin_supabase import PUBLISHABLE_KEY
from tests.orchestrator.memory.conftest import SALT, Project, touch


class Ticks:
    """The process's own clock."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def sender(sqlite_store: Store, clock: Any) -> Sender:
    with sqlite_store.transaction() as conn:
        return Sender(begin(conn, iso(clock()), "a" * 16), True, SALT)


Make = Callable[..., Worker]


def steps(
    project: Project, store: Store, sender: Sender, clock: Any, number: int, ticks: Ticks,
    *, between: Callable[[Worker, int], None] = lambda worker, at: None,
) -> tuple[Worker, list[float]]:  # fmt: skip
    """So many steps of one worker, each after the pause that the one before asked for."""

    async def work(wire: MemoryWire) -> tuple[Worker, list[float]]:
        worker = Worker(store, wire, sender, clock, "me", "1", monotonic=ticks, chance=lambda: 1.0)
        pauses = []
        for at in range(number):
            between(worker, at)
            pauses.append(await worker.step())
            ticks.now += pauses[-1]
        return worker, pauses

    return project.run(work)


def test_a_backlog_goes_at_a_bounded_rate(
    sqlite_store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    with sqlite_store.transaction() as conn:
        for number in range(10_000):
            told = {"run_id": "R", "audit_id": "A", "channel": "ghl", "at": iso(clock())}
            remember(conn, Fact.TOUCH, f"A-{number}", iso(clock()), told, f"L-{number}")
    batches = 10_000 // BATCH
    arrived: list[int] = []
    _, pauses = steps(
        project, sqlite_store, sender, clock, batches, Ticks(),
        between=lambda worker, at: arrived.append(len(project.rows("swarm_touches"))),
    )  # fmt: skip
    assert pauses == [0.5] * batches
    assert arrived == [BATCH * at for at in range(batches)]
    assert len(project.rows("swarm_touches")) == 10_000


def test_in_an_outage_it_waits_longer_each_time_and_says_so_and_is_glad_when_it_ends(
    sqlite_store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    touch(sqlite_store, "A-1", clock())
    project.behave(outage={"supabase": 503})

    def between(worker: Worker, at: int) -> None:
        if at == 9:
            with sqlite_store.read() as conn:
                said, _ = read_standing(conn)
            assert "HTTP 503" in (said.trouble or "")
            project.behave(outage={})

    worker, pauses = steps(
        project, sqlite_store, sender, clock, 10, Ticks(), between=between
    )  # fmt: skip
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60, 0.5]
    assert worker.standing.trouble is None
    with sqlite_store.read() as conn:
        said, at = read_standing(conn)
    assert (said.trouble, at) == (None, iso(clock()))
    assert len(project.rows("swarm_touches")) == 1


def test_of_two_only_one_drains_and_the_other_takes_over_when_it_falls_silent(
    sqlite_store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    async def work(wire: MemoryWire) -> None:
        first, second = (
            Worker(sqlite_store, wire, sender, clock, name, "1", monotonic=Ticks())
            for name in ("first", "second")
        )
        await first.step()
        await second.step()
        assert (first.standing.drains, second.standing.drains) == (True, False)
        ended = asyncio.Event()
        ended.set()
        await first.run(ended)  # it ends in order, and leaves the duty
        await second.step()
        assert second.standing.drains

    project.run(work)


def test_a_key_that_row_security_keeps_out_is_found_out_though_nothing_fails(
    sqlite_store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    project.key = PUBLISHABLE_KEY
    touch(sqlite_store, "A-1", clock())
    worker, _ = steps(project, sqlite_store, sender, clock, 1, Ticks())
    assert "sb_secret_" in (worker.standing.trouble or "")


def test_databases_with_another_salt_are_counted(
    sqlite_store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    other = {"key": "b" * 16, "salt_check": "x", "version": "1", "at": iso(clock())}
    for name, sandbox in (("b", True), ("c", False)):
        row = other | {"key": name * 16, "sandbox": sandbox}
        project.twin.tables.take("swarm_databases", [row], ["key"], None)
    worker, _ = steps(project, sqlite_store, sender, clock, 1, Ticks())
    assert worker.standing.strangers == 1


def test_the_head_of_each_chain_is_said_when_it_has_moved(
    sqlite_store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    def head(seq: int) -> None:
        row = {"chain": "c", "seq": seq, "hash": f"h{seq}", "updated_at": iso(clock())}
        with sqlite_store.transaction() as conn:
            upsert(conn, audit_heads, row, ("chain",))

    head(1)
    ticks = Ticks()

    def between(worker: Worker, at: int) -> None:
        if at == 2:
            ticks.now += 60
        if at == 4:
            head(5)
            clock.step(seconds=60)
            ticks.now += 60

    steps(project, sqlite_store, sender, clock, 6, ticks, between=between)
    assert [(row["seq"], row["hash"]) for row in project.rows("swarm_heads")] == [
        (1, "h1"), (5, "h5")
    ]  # fmt: skip


def test_a_database_that_is_away_is_waited_for(
    sqlite_store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    async def work(wire: MemoryWire) -> float:
        worker = Worker(sqlite_store, wire, sender, clock, "me", "1", monotonic=Ticks())
        sqlite_store.close()
        pause = await worker.step()
        assert "closed" in (worker.standing.trouble or "")
        return pause

    assert project.run(work) > 0


def test_what_was_there_before_the_memory_was_is_remembered_too(
    sqlite_store: Store, project: Project, clock: Any
) -> None:
    at = iso(clock())
    lesson = {
        "event_id": "e-1", "at": at, "outcome": "complaint", "actor": "ghl", "trust": "system",
        "lead_id": "L-1", "scope": {"segment": "s", "angle": "a", "persona": "p"},
    }  # fmt: skip
    sent = {"lead_id": "L-1", "run_id": "R", "row": 1, "created_at": at, "updated_at": at}
    with sqlite_store.transaction() as conn:
        for number in range(501):
            suppress_hash(conn, f"h{number:04}", "email", "opt_out", "slack", clock())
        conn.execute(outcomes.insert(), [{
            "outcome_id": "o-1", "kind": "complaint", "vendor": "ghl", "lead_id": "L-1", "at": at,
            "created_at": at,
        }])  # fmt: skip
        conn.execute(lessons.insert(), [{
            "event_id": "e-1", "lead_id": "L-1", "document": json.dumps(lesson), "created_at": at,
        }])  # fmt: skip
        for state in ("sent", "refused"):
            conn.execute(deliveries.insert(), [sent | {"delivery_id": state, "state": state}])
        sender = Sender(begin(conn, at, "a" * 16), True, SALT)
    ticks = Ticks()

    def between(worker: Worker, step: int) -> None:
        """A process that had not heard of the memory yet: its fact is not in the outbox."""
        if step == 4:
            with sqlite_store.transaction() as conn:
                row = {"subject_hash": "a first one", "kind": "email", "reason": "opt_out",
                       "source": "slack", "created_at": at}  # fmt: skip
                conn.execute(suppressions.insert(), [row])
            ticks.now += BELIEVED_S

    steps(project, sqlite_store, sender, clock, 30, ticks, between=between)
    assert len(project.rows("swarm_suppressions")) == 502
    assert [row["kind"] for row in project.rows("swarm_outcomes")] == ["complaint"]
    assert [row["key"] for row in project.rows("swarm_lessons")] == ["e-1"]
    assert [row["audit_id"] for row in project.rows("swarm_touches")] == ["sent"]
    requests = project.requests()
    steps(project, sqlite_store, sender, clock, 3, Ticks())  # another process: it is not done again
    assert project.requests() - requests <= 6
