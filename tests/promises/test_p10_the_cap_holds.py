"""P10: money is reserved before a paid call, and concurrent workers cannot overspend."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from guardrails.brakes.brakes import Brakes
from guardrails.brakes.failures import FailureTracker
from guardrails.brakes.spend import SpendBook
from guardrails.brakes.stop import StopSwitch
from guardrails.config import load_config
from guardrails.config.models import Spend
from guardrails.errors import SpendCapped
from guardrails.hive import Hive
from guardrails.model import Lead
from guardrails.store import Store, open_store
from guardrails.store.tables import paid_runs
from servers.common.safety import Safety, rules_of
from servers.enricher import vendor_clay, vendor_rb2b
from servers.enricher.cache import EnrichmentCache
from servers.enricher.contract import EnrichLead, Enrichment
from servers.enricher.facts import FactMaker
from servers.enricher.mail import SandboxMail
from servers.enricher.paid import PaidRuns
from servers.enricher.vendor_clay import Clay, ClayRoutine
from servers.enricher.vendor_rb2b import BY_EMAIL, Rb2b
from servers.enricher.waterfall import Waterfall
from tests.conftest import SteppableClock
from tests.guardrails.brakes.spending import Till, spend
from tests.servers.wires import Naps, ScriptedWire, answer, client_over

pytestmark = pytest.mark.anyio
LOOKUP, RUN = 20_000, 100_000
PROFILE = answer(200, {"result": {"title": "CEO"}})
STARTED = answer(202, {"routine_run_id": "rr_1", "status": "in_progress"})
LEAD = Lead(lead_id="L-1", dedupe_key="k", email="ana@firm.example", company="Firm")


def finished(lead_id: str = "L-1") -> httpx.Response:
    item = {"id": lead_id, "status": "complete", "result": {"industry": "Law"}}
    return answer(200, {"status": "complete", "data": [item]})


class Desk:
    """Clients as a server gets them: real brakes and money over a real store, a scripted wire."""

    def __init__(self, hive: Hive, store: Store, clock: SteppableClock, config: Spend) -> None:
        production = load_config().production
        tracker = FailureTracker(store, hive, clock, "enricher")
        self.store, self.clock = store, clock
        self.brakes = Brakes(
            store,
            StopSwitch(hive, store),
            rules_of(production, keep_limits=False),
            SpendBook(config, clock),
            tracker,
            clock,
        )
        prices = {str(vendor): dict(table) for vendor, table in config.prices_micros.items()}
        self.safety = Safety(hive, store, self.brakes, tracker, prices)
        self.facts = FactMaker(clock, {}, 30)
        self.till = Till(store, clock, config)

    def rb2b(self, wire: ScriptedWire) -> Rb2b:
        client = client_over(wire, vendor_rb2b.OPERATIONS, vendor="rb2b", safety=self.safety)
        return Rb2b(client, LOOKUP, self.facts)

    def clay(self, wire: ScriptedWire) -> Clay:
        client = client_over(wire, vendor_clay.OPERATIONS, vendor="clay", safety=self.safety)
        hour = timedelta(hours=1)
        runs = PaidRuns(self.store, self.clock, vendor="clay", in_flight=hour, keep=hour)
        routine = ClayRoutine("rt_1", RUN, {"industry": "industry"}, 1, 3)
        return Clay(client, routine, runs, self.facts, sleep=Naps())

    async def enrich(self, rb2b: ScriptedWire, clay: ScriptedWire) -> Enrichment:
        waterfall = Waterfall(
            salt=b"s" * 32,
            facts=self.facts,
            cache=EnrichmentCache(self.store, self.clock, 30),
            sources=(self.rb2b(rb2b), self.clay(clay)),
            mail=SandboxMail(),
        )
        return await waterfall.enrich_lead(EnrichLead(lead=LEAD, need=("title", "industry")))

    def counts(self) -> dict[str, int]:
        """Entries by status, once everything told is written."""
        self.brakes.close()
        return {str(name): number for name, number in self.till.report().total.calls.items()}


@contextmanager
def opened(hive: Hive, url: str | None, clock: SteppableClock, config: Spend) -> Iterator[Desk]:
    store = open_store(hive, url)
    desk = Desk(hive, store, clock, config)
    yield desk
    desk.brakes.close()
    store.close()


async def test_of_50_calls_at_once_under_room_for_two_exactly_two_reach_the_vendor(
    hive: Hive, store_url: str | None, clock: SteppableClock
) -> None:
    config = spend(rb2b=2 * LOOKUP)
    wire = ScriptedWire(PROFILE)
    with (
        opened(hive, store_url, clock, config) as one,
        opened(hive, store_url, clock, config) as other,
    ):
        clients = [
            client_over(wire, vendor_rb2b.OPERATIONS, vendor="rb2b", safety=desk.safety)
            for desk in (one, other)
        ]
        calls = [clients[n % 2].request(BY_EMAIL, json={"email": f"p{n}@x.io"}) for n in range(50)]
        ends = Counter(
            type(end).__name__ for end in await asyncio.gather(*calls, return_exceptions=True)
        )
        assert ends == {"Answer": 2, SpendCapped.__name__: 48}
        assert len(wire.seen) == 2
        other.brakes.close()
        assert one.counts() == {"settled": 2}
        assert one.till.held()["rb2b"] == 2 * LOOKUP


async def test_the_money_is_on_record_before_the_vendor_is_asked(
    hive: Hive, store_url: str | None, clock: SteppableClock
) -> None:
    with opened(hive, store_url, clock, spend()) as desk:
        seen: list[dict[str, int]] = []

        def look(request: httpx.Request) -> httpx.Response:
            seen.append({str(k): v for k, v in desk.till.report().total.calls.items()})
            return answer(404, {"error": "not_found"})

        got = await desk.rb2b(ScriptedWire(look)).look_up(LEAD, "s")
        assert (got.status, seen) == ("no_match", [{"reserved": 1}])
        assert desk.counts() == {"settled": 1}


@pytest.mark.parametrize(
    ("reply", "status", "held"),
    [
        (PROFILE, "settled", LOOKUP),
        (answer(429), "released", 0),
        (httpx.ConnectError("refused"), "released", 0),
        (answer(402, {"error": "insufficient_credits"}), "released", 0),
        (answer(503), "unknown", LOOKUP),
        (httpx.ReadTimeout("slow"), "unknown", LOOKUP),
    ],
)
async def test_what_is_not_certainly_undone_stays_held(
    hive: Hive, clock: SteppableClock, reply: Any, status: str, held: int
) -> None:
    with opened(hive, None, clock, spend()) as desk:
        await desk.rb2b(ScriptedWire(reply)).look_up(LEAD, "s")
        assert desk.counts() == {status: 1}
        assert desk.till.held()["*"] == held


async def test_a_restart_keeps_every_hold_and_a_person_ends_them(
    hive: Hive, store_url: str | None, clock: SteppableClock
) -> None:
    config = spend(rb2b=LOOKUP)
    with opened(hive, store_url, clock, config) as before:
        await before.rb2b(ScriptedWire(httpx.ReadTimeout("slow"))).look_up(LEAD, "s")
    with opened(hive, store_url, clock, config) as after:
        wire = ScriptedWire(PROFILE)
        got = await after.rb2b(wire).look_up(LEAD, "s")
        assert (got.status, wire.seen) == ("capped", [])
        (entry,) = after.till.report().open_entries
        assert (entry.why, entry.lead_id) == ("unknown", None)
        after.till.reconcile(entry.entry_id, charged=False)
        assert (await after.rb2b(wire).look_up(LEAD, "s")).status == "ok"


async def test_at_one_vendors_cap_the_waterfall_goes_on_with_the_other(
    hive: Hive, clock: SteppableClock
) -> None:
    with opened(hive, None, clock, spend(rb2b=0)) as desk:
        rb2b, clay = ScriptedWire(PROFILE), ScriptedWire(STARTED, finished())
        found = await desk.enrich(rb2b, clay)
        steps = {step.source: step.status for step in found.steps}
        assert (steps["rb2b"], steps["clay"], rb2b.seen) == ("capped", "ok", [])
        assert found.facts["industry"].value == "Law"
        (reason,) = found.incomplete_because
        assert "the cap of rb2b for 2026-03-10" in reason.text
        assert "title" in reason.text


async def test_at_the_total_cap_nothing_paid_is_asked_and_nothing_is_reserved(
    hive: Hive, clock: SteppableClock
) -> None:
    with opened(hive, None, clock, spend(total=LOOKUP - 1)) as desk:
        rb2b, clay = ScriptedWire(PROFILE), ScriptedWire(STARTED, finished())
        found = await desk.enrich(rb2b, clay)
        assert [len(rb2b.seen), len(clay.seen), found.cost_micros] == [0, 0, 0]
        assert {step.source: step.status for step in found.steps} == {
            "row": "ok", "cache": "no_match", "rb2b": "capped", "clay": "capped", "dns": "ok",
        }  # fmt: skip
        assert desk.counts() == {}
        with desk.store.read() as conn:
            assert conn.execute(select(paid_runs)).all() == []
        clock.step(days=1)
        assert desk.till.report().open_count == 0
