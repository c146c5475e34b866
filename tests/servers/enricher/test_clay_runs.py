"""Clay: a run is recorded before it is asked for, and never paid for twice unknowingly."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from guardrails.brakes.brakes import Gatekeeper
from guardrails.config import load_config
from guardrails.errors import (
    BreakerOpen,
    ConfigError,
    RateLimited,
    Stopped,
    StoreUnavailable,
    SwarmError,
    VendorError,
)
from guardrails.model import Lead
from guardrails.store import Store
from guardrails.store.tables import paid_runs
from servers.enricher.cache import EnrichmentCache
from servers.enricher.facts import FactMaker
from servers.enricher.paid import HOLD, PaidRuns
from servers.enricher.sources import SourceAnswer
from servers.enricher.vendor_clay import OPERATIONS, Clay, ClayRoutine, routine_of
from tests.conftest import SteppableClock
from tests.servers.enricher.brakes import NoEntry, stopped
from tests.servers.wires import (
    Naps,
    ScriptedWire,
    answer,
    client_over,
    safety_with,
    sandbox,
    twin_client,
)

__all__ = ["stopped"]  # a fixture

pytestmark = pytest.mark.anyio
LEAD = Lead(lead_id="L-1", dedupe_key="k", email="ana@firm.example", company="Firm")
SUBJECT = "f" * 64
PRICE = 100_000
STARTED = answer(202, {"routine_run_id": "rr_1", "status": "in_progress"})
PENDING = answer(
    202, {"routine_run_id": "rr_1", "total": 1, "finished": 0, "status": "in_progress"}
)


def finished(**result: Any) -> httpx.Response:
    return done({"id": "L-1", "status": "complete", "result": result})


def done(*items: dict[str, Any]) -> httpx.Response:
    body = {"routine_run_id": "rr_1", "total": 1, "finished": 1, "status": "complete"}
    return answer(200, body | {"data": list(items)})


class Bench:
    """Clay over a scripted wire, with real records."""

    def __init__(self, store: Store, clock: SteppableClock) -> None:
        self.store, self.clock, self.naps = store, clock, Naps()

    def clay(
        self, wire: httpx.AsyncBaseTransport, polls: int = 4, brakes: Gatekeeper | None = None
    ) -> Clay:
        routine = ClayRoutine(
            "rt_1", PRICE, {"industry": "industry", "job_title": "title"}, 1, polls
        )
        runs = PaidRuns(
            self.store,
            self.clock,
            vendor="clay",
            in_flight=timedelta(seconds=60),
            keep=timedelta(days=30),
        )
        safety = safety_with(brakes)
        client = client_over(wire, OPERATIONS, vendor="clay", sleep=self.naps, safety=safety)
        return Clay(client, routine, runs, FactMaker(self.clock, {}, 30), sleep=self.naps)

    async def ask(self, *steps: Any, polls: int = 4) -> tuple[SourceAnswer, ScriptedWire]:
        wire = ScriptedWire(*steps)
        return await self.clay(wire, polls).look_up(LEAD, SUBJECT), wire

    def row(self) -> dict[str, Any] | None:
        with self.store.read() as conn:
            found = conn.execute(select(paid_runs)).mappings().first()
        return dict(found) if found else None


@pytest.fixture
def bench(store: Store, clock: SteppableClock) -> Bench:
    """On SQLite and on PostgreSQL."""
    return Bench(store, clock)


def posts(wire: ScriptedWire) -> int:
    return sum(request.method == "POST" for request in wire.seen)


async def test_a_run_is_started_polled_and_mapped(bench: Bench) -> None:
    got, wire = await bench.ask(STARTED, PENDING, finished(industry="Law", job_title="CEO", x=1))
    assert (got.status, got.cost_micros) == ("ok", PRICE)
    assert {name: fact.value for name, fact in got.facts.items()} == {
        "industry": "Law", "title": "CEO",
    }  # fmt: skip
    results = "/api/routines/run/rr_1/results"
    paths = [request.url.path for request in wire.seen]
    assert paths == ["/api/routines/rt_1/run", results, results]
    sent = httpx.Response(200, content=wire.seen[0].content).json()
    assert sent == {
        "items": [{"id": "L-1", "inputs": {"email": "ana@firm.example", "company": "Firm"}}]
    }


async def test_the_reservation_is_on_disk_before_the_vendor_is_asked(bench: Bench) -> None:
    seen: list[dict[str, Any] | None] = []

    def look(request: httpx.Request) -> httpx.Response:
        seen.append(bench.row())
        return answer(400, {"message": "no"})

    await bench.ask(look)
    assert seen[0] is not None
    assert (seen[0]["status"], seen[0]["cost_micros"]) == ("reserved", PRICE)


async def test_caching_the_answer_settles_the_run(bench: Bench) -> None:
    got, _ = await bench.ask(STARTED, finished(industry="Law"))
    row = bench.row()
    assert row is not None
    assert row["status"] == "started"
    await EnrichmentCache(bench.store, bench.clock, 30).put("clay", SUBJECT, "L-1", got)
    row = bench.row()
    assert row is not None
    assert row["status"] == "done"


async def test_a_crash_after_the_id_is_known_polls_again_and_pays_nothing(bench: Bench) -> None:
    class Killed(Exception):
        pass

    with pytest.raises(Killed):
        await bench.ask(STARTED, Killed())
    got, wire = await bench.ask(finished(industry="Law"))
    assert (got.status, got.cost_micros, posts(wire)) == ("ok", 0, 0)


async def test_a_crash_before_the_id_is_known_is_not_paid_for_again_until_the_hold_is_over(
    bench: Bench,
) -> None:
    class Killed(Exception):
        pass

    with pytest.raises(Killed):
        await bench.ask(Killed())
    soon, wire = await bench.ask(STARTED)
    assert (soon.status, len(wire.seen)) == ("pending", 0)
    bench.clock.step(61)
    later, wire = await bench.ask(STARTED)
    row = bench.row()
    assert row is not None
    assert (later.status, len(wire.seen), row["status"]) == ("failed", 0, "unknown")
    assert "may have been paid" in later.detail
    bench.clock.step(HOLD.total_seconds())
    again, wire = await bench.ask(STARTED, finished(industry="Law"))
    assert (again.status, posts(wire)) == ("ok", 1)


@pytest.mark.parametrize(
    "lost",
    [
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        answer(500),
        answer(202, {"odd": 1}),
        answer(422, {"message": "odd"}),
        answer(302),
        httpx.Response(202, content=b"{", headers={"content-type": "application/json"}),
    ],
)
async def test_a_run_whose_fate_is_unknown_is_not_asked_for_again(bench: Bench, lost: Any) -> None:
    got, wire = await bench.ask(lost)
    row = bench.row()
    assert row is not None
    assert (got.status, len(wire.seen), row["status"]) == ("failed", 1, "unknown")
    assert got.cost_micros == PRICE
    again, wire = await bench.ask(STARTED)
    assert (again.status, len(wire.seen)) == ("failed", 0)


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (answer(402, {"message": "Insufficient credits"}), "out_of_credits"),
        (answer(401, {"message": "Invalid API key"}), "failed"),
        (answer(404, {"message": "Routine not found"}), "failed"),
        (answer(429), "failed"),
        (httpx.ConnectError("refused"), "failed"),
    ],
)
async def test_a_run_that_certainly_did_not_happen_is_released(
    bench: Bench, refusal: Any, status: str
) -> None:
    got, _ = await bench.ask(refusal)
    assert (got.status, got.cost_micros, bench.row()) == (status, 0, None)
    again, _ = await bench.ask(STARTED, finished(industry="Law"))
    assert again.status == "ok"


async def test_a_run_that_our_own_brakes_stop_is_released_and_says_so(
    bench: Bench, stopped: tuple[VendorError, str]
) -> None:
    error, status = stopped
    wire = ScriptedWire(STARTED, finished(industry="Law"))
    got = await bench.clay(wire, brakes=NoEntry(error)).look_up(LEAD, SUBJECT)
    assert (got.status, got.cost_micros, got.detail) == (status, 0, error.message)
    assert (bench.row(), wire.seen, got.unanswered) == (None, [], True)
    again, _ = await bench.ask(STARTED, finished(industry="Law"))
    assert again.status == "ok"


@pytest.mark.parametrize("error", [Stopped("stop"), StoreUnavailable("away")])
async def test_a_stop_or_a_missing_database_releases_the_run_and_is_no_answer(
    bench: Bench, error: SwarmError
) -> None:
    wire = ScriptedWire(STARTED)
    with pytest.raises(type(error)):
        await bench.clay(wire, brakes=NoEntry(error)).look_up(LEAD, SUBJECT)
    assert (bench.row(), wire.seen) == (None, [])


@pytest.mark.parametrize("kind", [BreakerOpen, RateLimited])
async def test_a_pause_while_polling_leaves_the_run_to_be_taken_up(
    bench: Bench, kind: type[VendorError]
) -> None:
    error = kind("not now", vendor="clay", operation="get_run_results")
    with pytest.raises(RuntimeError):
        await bench.ask(STARTED, RuntimeError("killed"))
    wire = ScriptedWire(finished(industry="Law"))
    got = await bench.clay(wire, brakes=NoEntry(error)).look_up(LEAD, SUBJECT)
    assert (got.status, got.cost_micros, wire.seen) == ("pending", 0, [])
    again, wire = await bench.ask(finished(industry="Law"))
    assert (again.status, posts(wire)) == ("ok", 0)


async def test_a_run_that_takes_too_long_is_taken_up_at_the_next_call(bench: Bench) -> None:
    got, wire = await bench.ask(STARTED, PENDING, polls=3)
    assert (got.status, got.cost_micros, len(wire.seen)) == ("pending", PRICE, 4)
    assert bench.naps.slept == [1, 1, 1]
    again, wire = await bench.ask(finished(industry="Law"))
    assert (again.status, again.cost_micros, posts(wire)) == ("ok", 0, 0)


async def test_an_outage_while_polling_leaves_the_run_to_be_taken_up(bench: Bench) -> None:
    got, _ = await bench.ask(STARTED, answer(503))
    assert got.status == "pending"
    again, wire = await bench.ask(finished(industry="Law"))
    assert (again.status, posts(wire)) == ("ok", 0)


async def test_a_run_clay_no_longer_knows_is_not_paid_for_again_at_once(bench: Bench) -> None:
    got, _ = await bench.ask(STARTED, answer(404, {"message": "Routine run not found"}))
    assert (got.status, got.unanswered) == ("failed", True)
    again, wire = await bench.ask(STARTED)
    assert (again.status, len(wire.seen), again.unanswered) == ("failed", 0, True)


async def test_a_failed_item_says_why_and_is_not_paid_for_again_at_once(bench: Bench) -> None:
    item = {"id": "L-1", "status": "failed", "error": {"message": "No \u202einput matched"}}
    got, _ = await bench.ask(STARTED, done(item))
    assert (got.status, got.detail) == ("failed", "the routine failed: No input matched")
    again, wire = await bench.ask(STARTED)
    assert (again.status, len(wire.seen)) == ("failed", 0)
    # That is the vendor's answer about this lead, at the first time as at the second.
    assert (got.unanswered, again.unanswered) == (False, False)


async def test_another_leads_result_is_not_taken_for_ours(bench: Bench) -> None:
    item = {"id": "L-2", "status": "complete", "result": {"industry": "Law"}}
    got, _ = await bench.ask(STARTED, done(item))
    assert (got.status, dict(got.facts)) == ("failed", {})


async def test_an_empty_result_is_no_match(bench: Bench) -> None:
    got, _ = await bench.ask(STARTED, finished(industry=None, job_title="N/A"))
    assert (got.status, dict(got.facts), got.settles) == ("no_match", {}, f"clay:{SUBJECT}")


async def test_of_concurrent_callers_one_pays(bench: Bench) -> None:
    wire = ScriptedWire(STARTED, finished(industry="Law"))
    calls = (bench.clay(wire).look_up(LEAD, SUBJECT) for _ in range(8))
    got = await asyncio.gather(*calls)
    assert posts(wire) == 1
    assert sum(one.cost_micros for one in got) == PRICE


async def test_without_a_record_nothing_is_asked_for(
    sqlite_store: Store, clock: SteppableClock
) -> None:
    bench = Bench(sqlite_store, clock)
    with sqlite_store.transaction() as conn:
        paid_runs.drop(conn)
    wire = ScriptedWire(STARTED)
    with pytest.raises(StoreUnavailable):
        await bench.clay(wire).look_up(LEAD, SUBJECT)
    assert wire.seen == []


async def test_over_the_twin_the_configured_outputs_become_facts(
    sqlite_store: Store, clock: SteppableClock
) -> None:
    app = sandbox(clay_pending_polls=2)
    bench = Bench(sqlite_store, clock)
    config = load_config().production.vendors.clay
    clay = Clay(
        twin_client(app, "clay", OPERATIONS),
        routine_of(config, "rt_sandbox_enrich", PRICE),
        PaidRuns(sqlite_store, clock, vendor="clay", in_flight=timedelta(60), keep=timedelta(30)),
        FactMaker(clock, {}, 30),
        sleep=bench.naps,
    )
    lead = LEAD.model_copy(
        update={"email": "ana@pinegrovecloud.example", "domain": "pinegrovecloud.example"}
    )
    got = await clay.look_up(lead, SUBJECT)
    assert got.facts["employee_count"].value == 180
    assert got.facts["country"].value == "US"
    assert got.facts["timezone"].value == "America/Los_Angeles"
    assert got.facts["technologies"].value == ("HubSpot", "Outreach")
    assert got.facts["hiring"].value == ("Revenue Operations Analyst",)
    assert "funding" not in got.facts
    counts = app.site.counters.report()["by_kind"]
    assert (counts["paid_read"], counts["read"], counts["write"]) == (1, 3, 0)


def test_an_output_mapped_to_no_fact_is_a_configuration_error() -> None:
    config = load_config().production.vendors.clay
    wrong = config.model_copy(update={"outputs": {"x": "shoe_size"}})
    with pytest.raises(ConfigError, match="shoe_size"):
        routine_of(wrong, None, PRICE)
