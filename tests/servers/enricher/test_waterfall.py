"""The waterfall: order, stopping, cache, and what never becomes a fact."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select, update

from guardrails.errors import BadInput, StoreUnavailable
from guardrails.hive import Hive
from guardrails.model import FactName, Lead
from guardrails.store import Store
from guardrails.store.tables import enrichment_cache
from servers.enricher.cache import EnrichmentCache
from servers.enricher.contract import EnrichLead, Enrichment
from servers.enricher.facts import FactMaker
from servers.enricher.mail import SandboxMail
from servers.enricher.sources import Source, SourceAnswer, SourceName, Status
from servers.enricher.waterfall import Waterfall
from tests.conftest import SteppableClock

pytestmark = pytest.mark.anyio
NEED: tuple[FactName, ...] = ("employee_count", "industry", "title", "country")


class FakeSource:
    """A source that answers what it is told and counts how often it is asked."""

    def __init__(
        self,
        name: SourceName,
        facts: FactMaker,
        values: Mapping[FactName, Any],
        *,
        status: Status = "ok",
        unusable: str | None = None,
    ) -> None:
        self.name = name
        self.unusable = unusable
        self.gives: frozenset[FactName] = frozenset(NEED)
        self.about_lead = False
        self.asked = 0
        self._facts, self._values, self._status = facts, values, status

    async def look_up(self, lead: Lead, subject: str) -> SourceAnswer:
        self.asked += 1
        await asyncio.sleep(0)
        made = self._facts.make(self.name, self._values)
        return SourceAnswer(
            self._status, "said so", made, cost_micros=100, about_lead=self.about_lead
        )


@pytest.fixture
def facts(clock: SteppableClock) -> FactMaker:
    return FactMaker(clock, {"title": 180, "mx": 7}, 30)


def waterfall(
    store: Store, clock: SteppableClock, facts: FactMaker, *sources: Source, days: int = 30
) -> Waterfall:
    return Waterfall(
        salt=b"s" * 32,
        facts=facts,
        cache=EnrichmentCache(store, clock, days),
        sources=sources,
        mail=SandboxMail(),
    )


def lead(**fields: Any) -> Lead:
    known = {"lead_id": "L-1", "dedupe_key": "k", "email": "ana@firm.example", **fields}
    return Lead.model_validate(known)


def statuses(found: Enrichment) -> dict[str, str]:
    return {step.source: step.status for step in found.steps}


async def test_a_row_that_says_enough_costs_nothing(
    sqlite_store: Store, clock: SteppableClock, facts: FactMaker
) -> None:
    rb2b, clay = FakeSource("rb2b", facts, {}), FakeSource("clay", facts, {})
    row = lead(title="CEO", industry="Law", employee_count=80, country="US")
    found = await waterfall(sqlite_store, clock, facts, rb2b, clay).enrich_lead(
        EnrichLead(lead=row, need=NEED)
    )
    assert (rb2b.asked, clay.asked, found.cost_micros, found.complete) == (0, 0, 0, True)
    assert [step.source for step in found.steps] == ["row", "cache", "rb2b", "clay", "dns"]
    assert statuses(found)["clay"] == "skipped"


async def test_it_stops_at_the_source_that_completes_what_is_needed(
    sqlite_store: Store, clock: SteppableClock, facts: FactMaker
) -> None:
    rb2b = FakeSource("rb2b", facts, {"employee_count": "80", "industry": "Law", "country": "US"})
    clay = FakeSource("clay", facts, {"industry": "SaaS"})
    found = await waterfall(sqlite_store, clock, facts, rb2b, clay).enrich_lead(
        EnrichLead(lead=lead(title="CEO"), need=NEED)
    )
    assert (rb2b.asked, clay.asked, found.complete) == (1, 0, True)
    assert found.facts["industry"].source == "rb2b"
    assert found.facts["title"].source == "csv"
    assert found.facts["title"].ttl_days == 180
    assert found.cost_micros == 100


async def test_the_first_source_that_knows_a_fact_keeps_it(
    sqlite_store: Store, clock: SteppableClock, facts: FactMaker
) -> None:
    rb2b = FakeSource("rb2b", facts, {"industry": "Law", "title": "Partner"})
    clay = FakeSource("clay", facts, {"industry": "SaaS", "country": "US"})
    found = await waterfall(sqlite_store, clock, facts, rb2b, clay).enrich_lead(
        EnrichLead(lead=lead(title="CEO"), need=NEED)
    )
    assert [found.facts[name].value for name in ("title", "industry", "country")] == [
        "CEO", "Law", "US",
    ]  # fmt: skip
    assert found.missing == ("employee_count",)
    clay_step = next(step for step in found.steps if step.source == "clay")
    assert clay_step.facts == ("country",)


async def test_placeholders_and_zeroes_never_become_facts(
    sqlite_store: Store, clock: SteppableClock, facts: FactMaker
) -> None:
    clay = FakeSource(
        "clay",
        facts,
        {"employee_count": 0, "industry": "N/A", "title": "Unknown", "country": "Atlantis",
         "technologies": [], "hiring": None, "timezone": "Mars/Base"},
    )  # fmt: skip
    row = lead(employee_count=0, title="  -  ")
    found = await waterfall(sqlite_store, clock, facts, clay).enrich_lead(
        EnrichLead(lead=row, need=NEED)
    )
    assert set(found.facts) == {"email", "mx"}
    assert found.missing == NEED


@pytest.mark.parametrize("status", ["failed", "pending", "out_of_credits", "capped", "paused"])
async def test_a_failing_source_is_a_step_and_the_next_is_asked(
    sqlite_store: Store, clock: SteppableClock, facts: FactMaker, status: Status
) -> None:
    rb2b = FakeSource("rb2b", facts, {}, status=status)
    clay = FakeSource("clay", facts, {"industry": "Law"})
    service = waterfall(sqlite_store, clock, facts, rb2b, clay)
    found = await service.enrich_lead(EnrichLead(lead=lead(), need=NEED))
    assert statuses(found)["rb2b"] == status
    assert found.facts["industry"].source == "clay"
    await service.enrich_lead(EnrichLead(lead=lead(), need=NEED))
    assert (rb2b.asked, clay.asked) == (2, 1)  # a failure is not remembered, an answer is


@pytest.mark.parametrize("status", ["failed", "pending", "out_of_credits", "capped", "paused"])
async def test_what_a_source_could_not_say_makes_the_enrichment_incomplete(
    sqlite_store: Store, clock: SteppableClock, facts: FactMaker, status: Status
) -> None:
    rb2b = FakeSource("rb2b", facts, {}, status=status)
    clay = FakeSource("clay", facts, {"industry": "Law", "title": "CEO"})
    service = waterfall(sqlite_store, clock, facts, rb2b, clay)
    found = await service.enrich_lead(EnrichLead(lead=lead(), need=NEED))
    (reason,) = found.incomplete_because
    assert reason.code == "enrichment_incomplete"
    assert reason.text == f"rb2b ({status}): said so. Unknown for it: employee_count, country."
    assert reason.remedy is not None
    assert "tried again later" in reason.remedy


async def test_nothing_is_incomplete_when_another_source_knows_what_the_silent_one_may_have(
    sqlite_store: Store, clock: SteppableClock, facts: FactMaker
) -> None:
    rb2b = FakeSource("rb2b", facts, {}, status="failed")
    rb2b.gives = frozenset({"industry"})
    clay = FakeSource("clay", facts, {"industry": "Law"})
    service = waterfall(sqlite_store, clock, facts, rb2b, clay)
    found = await service.enrich_lead(EnrichLead(lead=lead(), need=NEED))
    assert found.missing == ("employee_count", "title", "country")
    assert found.incomplete_because == ()


async def test_what_nobody_knows_is_missing_and_not_incomplete(
    sqlite_store: Store, clock: SteppableClock, facts: FactMaker
) -> None:
    rb2b = FakeSource("rb2b", facts, {}, unusable="RB2B_API_KEY is not set")
    clay = FakeSource("clay", facts, {}, status="failed")
    clay.about_lead = True  # the routine says that it cannot match this lead
    service = waterfall(sqlite_store, clock, facts, rb2b, clay)
    found = await service.enrich_lead(EnrichLead(lead=lead(), need=NEED))
    assert (found.missing, found.complete, found.incomplete_because) == (NEED, False, ())


async def test_a_source_without_key_is_skipped_and_says_so(
    sqlite_store: Store, clock: SteppableClock, facts: FactMaker
) -> None:
    rb2b = FakeSource("rb2b", facts, {}, unusable="RB2B_API_KEY is not set")
    found = await waterfall(sqlite_store, clock, facts, rb2b).enrich_lead(
        EnrichLead(lead=lead(), need=NEED)
    )
    step = next(step for step in found.steps if step.source == "rb2b")
    assert (rb2b.asked, step.status, step.detail) == (0, "skipped", "RB2B_API_KEY is not set")


async def test_a_lead_enriched_before_is_free_and_keeps_the_first_date(
    sqlite_store: Store, clock: SteppableClock, facts: FactMaker
) -> None:
    clay = FakeSource("clay", facts, {"industry": "Law", "employee_count": 70})
    service = waterfall(sqlite_store, clock, facts, clay)
    first = await service.enrich_lead(EnrichLead(lead=lead(), need=NEED))
    clock.step(days=29)
    again = await service.enrich_lead(EnrichLead(lead=lead(email="ANA@firm.example"), need=NEED))
    assert clay.asked == 1
    assert again.cost_micros == 0
    assert again.facts["industry"].source == "cache:clay"
    assert again.facts["industry"].fetched_at == first.facts["industry"].fetched_at
    clock.step(days=2)
    await service.enrich_lead(EnrichLead(lead=lead(), need=NEED))
    assert clay.asked == 2


async def test_that_nobody_was_there_is_remembered_too(
    sqlite_store: Store, clock: SteppableClock, facts: FactMaker
) -> None:
    clay = FakeSource("clay", facts, {}, status="no_match")
    service = waterfall(sqlite_store, clock, facts, clay)
    for _ in range(2):
        await service.enrich_lead(EnrichLead(lead=lead(), need=NEED))
    assert clay.asked == 1


async def test_sixteen_calls_about_one_person_pay_once(
    sqlite_store: Store, clock: SteppableClock, facts: FactMaker
) -> None:
    clay = FakeSource("clay", facts, {"industry": "Law"})
    service = waterfall(sqlite_store, clock, facts, clay)
    calls = (service.enrich_lead(EnrichLead(lead=lead(), need=NEED)) for _ in range(16))
    found = await asyncio.gather(*calls)
    assert clay.asked == 1
    assert {one.facts["industry"].value for one in found} == {"Law"}


async def test_nobody_is_named_in_the_cache_keys(
    sqlite_store: Store, clock: SteppableClock, facts: FactMaker
) -> None:
    clay = FakeSource("clay", facts, {"industry": "Law"})
    await waterfall(sqlite_store, clock, facts, clay).enrich_lead(
        EnrichLead(lead=lead(), need=NEED)
    )
    with sqlite_store.read() as conn:
        keys = [row.key for row in conn.execute(select(enrichment_cache))]
    assert len(keys) == 1
    assert keys[0].startswith("clay:")
    assert "ana" not in keys[0]


async def test_a_damaged_cache_entry_counts_as_absent(
    sqlite_store: Store, clock: SteppableClock, facts: FactMaker
) -> None:
    clay = FakeSource("clay", facts, {"industry": "Law"})
    service = waterfall(sqlite_store, clock, facts, clay)
    await service.enrich_lead(EnrichLead(lead=lead(), need=NEED))
    with sqlite_store.transaction() as conn:
        conn.execute(update(enrichment_cache).values(document='{"status": "ok", "fac'))
    found = await service.enrich_lead(EnrichLead(lead=lead(), need=NEED))
    assert (clay.asked, found.facts["industry"].value) == (2, "Law")


async def test_an_unreadable_database_stops_it_before_anything_is_paid(
    hive: Hive, sqlite_store: Store, clock: SteppableClock, facts: FactMaker
) -> None:
    clay = FakeSource("clay", facts, {"industry": "Law"})
    with sqlite_store.transaction() as conn:
        enrichment_cache.drop(conn)
    with pytest.raises(StoreUnavailable):
        await waterfall(sqlite_store, clock, facts, clay).enrich_lead(
            EnrichLead(lead=lead(), need=NEED)
        )
    assert clay.asked == 0


async def test_a_lead_without_address_is_enriched_by_what_there_is(
    sqlite_store: Store, clock: SteppableClock, facts: FactMaker
) -> None:
    clay = FakeSource("clay", facts, {"industry": "Law"})
    found = await waterfall(sqlite_store, clock, facts, clay).enrich_lead(
        EnrichLead(lead=lead(email=None, domain="firm.example"), need=NEED)
    )
    assert found.facts["industry"].value == "Law"
    assert found.facts["mx"].value is True


async def test_an_address_that_is_none_is_refused(
    sqlite_store: Store, clock: SteppableClock, facts: FactMaker
) -> None:
    with pytest.raises(BadInput):
        await waterfall(sqlite_store, clock, facts).enrich_lead(
            EnrichLead(lead=lead(email="nope"), need=NEED)
        )
