"""What the swarm does is in the outbox when it is done, whole enough for its table, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from guardrails.hive import Hive
from guardrails.model import LeadState
from guardrails.store import Store
from orchestrator.deliveries import Deliveries, DeliveryState, Ended
from orchestrator.memory.drain import Drain
from orchestrator.memory.rows import FORGOTTEN_IN, SHELVES, Sender
from orchestrator.run_records import Settled
from orchestrator.runs import Runs
from tests.orchestrator.memory.conftest import Project
from tests.orchestrator.outcomes.stage import Stage
from tests.orchestrator.test_runs import RULES, decision, lead, opened


@pytest.fixture
def stage(hive: Hive, store: Store, sender: Sender, clock: Any) -> Iterator[Stage]:
    """`sender`: there is a memory."""
    made = Stage.of(hive, store, clock)
    yield made
    made.audit.close()


async def _run(stage: Stage) -> None:
    """A run of one lead, which is decided, sent, and followed up in the CRM."""
    runs, deliveries = Runs(stage.store, stage.clock, RULES), Deliveries(stage.store, stage.clock)
    await opened(runs)
    await runs.add_page("R-1", [lead(1)], [])
    for _ in range(2):  # replayed
        await runs.settle("R-1", Settled(1, decision(1, LeadState.READY), None, 7))
    for _ in range(2):
        await deliveries.end("A-1", Ended(DeliveryState.SENT))
        stage.clock.step(seconds=60)


def test_every_kind_of_fact_arrives_in_its_table(
    stage: Stage, project: Project, sender: Sender, clock: Any
) -> None:
    ana = stage.wrote_to("ana@elm.example")
    asyncio.run(_run(stage))
    stage.instantly("spam_complaint", ana)
    drained = project.run(lambda wire: Drain(stage.store, wire, sender, clock).batch())
    assert (drained.set_aside, drained.more) == (0, False)
    told = {shelf.table: project.rows(shelf.table) for shelf in SHELVES.values()}
    assert {name: len(told[name]) for name in FORGOTTEN_IN if name != "swarm_decisions"} == {
        "swarm_leads": 1, "swarm_touches": 1, "swarm_outcomes": 1,
    }  # fmt: skip
    assert drained.sent == sum(len(rows) for rows in told.values())  # nothing is said twice
    (row,), (touch,) = told["swarm_leads"], told["swarm_touches"]
    assert (row["state"], row["cost_micros"], row["audit_id"]) == ("ready", 7, "A-1")
    assert touch["lead_id"] == row["lead_id"]
    assert [one["kind"] for one in told["swarm_outcomes"]] == ["complaint"]
    assert {one["lead_id"] for one in told["swarm_lessons"]} == {ana.lead_id}
    assert [one["reason"] for one in told["swarm_suppressions"]] == ["complaint"]
    records = {one["audit_id"]: one["kind"] for one in told["swarm_decisions"]}
    assert records[ana.delivery_id] == "review"
    assert len(records) == len(list(stage.audit.iter_records()))
    assert b"@" not in orjson.dumps(told)
