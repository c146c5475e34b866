"""A visitor becomes one row of the day's run, or a note why not; twice or at once."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack, closing
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text, update

from guardrails import approval_rows
from guardrails.approval_rows import Asked
from guardrails.clock import iso
from guardrails.errors import BadInput, ServerUnavailable
from guardrails.hive import Hive
from guardrails.ledger import Ledger
from guardrails.model import Lead, Mode, Reason, Verdict
from guardrails.store import Store, open_store
from guardrails.store.tables import run_items
from orchestrator.deliveries import queue
from orchestrator.inbox import Inbox, Received, Source
from orchestrator.inbox import store as put
from orchestrator.inbox_state import InboxState
from orchestrator.visitors import Visitors
from servers.hunter.contract import ReadVisitor, Visitor
from tests.conftest import SteppableClock
from tests.guardrails.authorize_samples import in_mode, note
from tests.orchestrator.test_runs import RULES, until_it_waits

pytestmark = pytest.mark.anyio
RECENT = timedelta(days=90)


class Hunter:
    """Reads a payload as the hunter does: one lead for each address, nobody without."""

    def __init__(self) -> None:
        self.trouble: list[Exception] = []

    async def call(self, _server: str, _spec: Any, args: ReadVisitor) -> Visitor:
        if self.trouble:
            raise self.trouble.pop(0)
        email = args.payload.get("Business Email")
        if not email:
            reason = Reason(code="company_only", text="Nobody in it.")
            return Visitor(lead=None, reasons=(reason,), dedupe_key="k")
        lead = Lead(lead_id=f"L-{email}", dedupe_key=str(email), email=str(email), source="rb2b")
        return Visitor(lead=lead, dedupe_key="k")


@pytest.fixture
def hunter() -> Hunter:
    return Hunter()


@pytest.fixture
def visitors(store: Store, clock: SteppableClock, hunter: Hunter) -> Visitors:
    return Visitors(
        store,
        hunter,
        clock,
        Mode.ASSISTED,
        sandbox=True,
        recent=RECENT,
    )


async def received(store: Store, clock: SteppableClock, id: str, **body: Any) -> Received:
    """One delivery in the inbox."""
    raw = json.dumps(body)
    await store.run(lambda conn: put(conn, id, Source.RB2B, "visitor", raw, clock()))
    return Received(id, Source.RB2B, "visitor", raw, clock(), 0)


async def rows(store: Store) -> list[tuple[str, int, str]]:
    query = text("SELECT run_id, row, lead_id FROM run_items ORDER BY run_id, row")
    found = await store.query(lambda conn: conn.execute(query).all())
    return [(row.run_id, row.row, row.lead_id) for row in found]


async def state(store: Store, id: str) -> tuple[str, str]:
    query = text("SELECT state, note FROM inbox WHERE id = :id")
    row = await store.query(lambda conn: conn.execute(query, {"id": id}).one())
    return row.state, row.note


async def test_visitors_become_rows_of_the_days_run_in_order(
    store: Store, clock: SteppableClock, visitors: Visitors
) -> None:
    for number in (1, 2):
        one = await received(store, clock, f"v{number}", **{"Business Email": f"{number}@x.test"})
        assert await visitors.take(one) == f"V-20260310-assisted row {number}"
    clock.step(days=1)
    await visitors.take(await received(store, clock, "v3", **{"Business Email": "3@x.test"}))
    assert await rows(store) == [
        ("V-20260310-assisted", 1, "L-1@x.test"),
        ("V-20260310-assisted", 2, "L-2@x.test"),
        ("V-20260311-assisted", 1, "L-3@x.test"),
    ]


async def test_a_delivery_that_is_worked_on_twice_at_once_becomes_one_row(
    store: Store, clock: SteppableClock, visitors: Visitors
) -> None:
    one = await received(store, clock, "v1", **{"Business Email": "a@x.test"})
    await asyncio.gather(*(visitors.take(one) for _ in range(8)))
    assert len(await rows(store)) == 1


async def test_the_same_person_on_two_pages_at_once_is_decided_about_once(
    store: Store, clock: SteppableClock, visitors: Visitors
) -> None:
    deliveries = [
        await received(store, clock, f"v{n}", **{"Business Email": "a@x.test"}) for n in range(6)
    ]
    await asyncio.gather(*(visitors.take(one) for one in deliveries))
    assert len(await rows(store)) == 1
    notes = [(await state(store, one.id))[1] for one in deliveries]
    assert sum("in hand: being decided" in each for each in notes) == 5


async def test_nobody_in_it_is_junk_that_says_so(
    store: Store, clock: SteppableClock, visitors: Visitors
) -> None:
    one = await received(store, clock, "v1", **{"Company Name": "Firm"})
    assert "company_only" in await visitors.take(one)
    assert await state(store, "v1") == (InboxState.JUNK.value, "company_only")
    assert await rows(store) == []


async def test_a_body_without_fields_is_refused_and_a_hunter_that_is_away_loses_nothing(
    store: Store, clock: SteppableClock, visitors: Visitors, hunter: Hunter
) -> None:
    with pytest.raises(BadInput):
        await visitors.take(await received(store, clock, "v1"))
    hunter.trouble.append(ServerUnavailable("gone"))
    one = await received(store, clock, "v2", **{"Business Email": "a@x.test"})
    with pytest.raises(ServerUnavailable):
        await visitors.take(one)
    assert (await state(store, "v2"))[0] == InboxState.NEW.value
    await visitors.take(one)
    assert len(await rows(store)) == 1


async def test_who_waits_for_a_person_is_in_hand(
    store: Store, clock: SteppableClock, visitors: Visitors
) -> None:
    asked = Asked("A-1", "L-a@x.test", "R-1", 1, Verdict.PASS, "s", 1, "h")
    made = await store.run(lambda conn: approval_rows.request(conn, asked, RULES, clock()))
    told = await visitors.take(await received(store, clock, "v1", **{"Business Email": "a@x.test"}))
    assert told == f"in hand: {made} waits for a person"
    assert await rows(store) == []


async def test_who_is_on_their_way_out_is_in_hand(
    store: Store, clock: SteppableClock, visitors: Visitors
) -> None:
    at = iso(clock())
    await store.run(lambda conn: queue(conn, "A-1", "L-a@x.test", "R-1", 1, at))
    told = await visitors.take(await received(store, clock, "v1", **{"Business Email": "a@x.test"}))
    assert told == "in hand: an e-mail is on its way"


@pytest.mark.parametrize(("days", "left_alone"), [(89, True), (91, False)])
async def test_who_was_written_to_lately_is_left_alone(
    store: Store, clock: SteppableClock, visitors: Visitors, days: int, left_alone: bool
) -> None:
    ledger = Ledger.of(in_mode(Mode.LIVE).production, store, clock, b"salt")

    def claimed(conn: Connection) -> None:
        entry = ledger.entry("send:A-1", note(), lead_id="L-a@x.test")
        ledger.claim(conn, entry)
        conn.execute(text("UPDATE writes SET counts = :yes"), {"yes": True})

    await store.run(claimed)
    clock.step(days=days)
    told = await visitors.take(await received(store, clock, "v1", **{"Business Email": "a@x.test"}))
    assert told.startswith("in hand: written to on 2026-03-10") is left_alone


async def test_a_day_is_closed_when_it_is_over_and_all_have_ended(
    store: Store, clock: SteppableClock, visitors: Visitors
) -> None:
    await visitors.take(await received(store, clock, "v1", **{"Business Email": "a@x.test"}))
    statuses = text("SELECT status FROM runs")

    async def status() -> list[str]:
        await visitors.close_days()
        return await store.query(lambda conn: list(conn.execute(statuses).scalars()))

    assert await status() == ["running"]
    clock.step(days=1)
    assert await status() == ["running"]  # one has not ended
    await store.run(lambda conn: conn.execute(update(run_items).values(state="blocked")))
    assert await status() == ["finished"]


async def test_who_comes_in_by_a_clock_that_is_behind_is_decided_about_all_the_same(
    store: Store, clock: SteppableClock, visitors: Visitors
) -> None:
    """On another machine the day is over: the run that they become a row of goes on."""
    await visitors.take(await received(store, clock, "v1", **{"Business Email": "a@x.test"}))
    await store.run(lambda conn: conn.execute(update(run_items).values(state="blocked")))
    clock.step(days=1)
    await visitors.close_days()
    clock.step(days=-1)
    await visitors.take(await received(store, clock, "v2", **{"Business Email": "b@x.test"}))
    status = text("SELECT status FROM runs")
    assert await store.query(lambda conn: conn.execute(status).scalar()) == "running"


@pytest.mark.postgres
async def test_a_day_that_is_closed_while_somebody_comes_in_is_closed_after_them(
    hive: Hive, migrated_postgres_url: str, clock: SteppableClock, hunter: Hunter
) -> None:
    with ExitStack() as stack:
        here, there = (
            stack.enter_context(closing(open_store(hive, migrated_postgres_url))) for _ in range(2)
        )
        visitors, later = (
            Visitors(one, hunter, at, Mode.ASSISTED, sandbox=True, recent=RECENT)
            for one, at in ((here, clock), (there, lambda: clock() + timedelta(days=1)))
        )
        await visitors.take(await received(here, clock, "v1", **{"Business Email": "a@x.test"}))
        await here.run(lambda conn: conn.execute(update(run_items).values(state="blocked")))
        one = await received(here, clock, "v2", **{"Business Email": "b@x.test"})
        lead = (await hunter.call("", None, ReadVisitor(payload=one.document()))).lead
        assert lead is not None
        with here.transaction() as conn:
            visitors._into_run(conn, one, lead, clock())
            closing_it = asyncio.create_task(later.close_days())
            await until_it_waits(there, closing_it)
        await closing_it
        status = text("SELECT status FROM runs")
        assert await here.query(lambda conn: conn.execute(status).scalar()) == "running"


async def test_the_inbox_shows_what_became_of_each(
    store: Store, clock: SteppableClock, visitors: Visitors
) -> None:
    inbox = Inbox(store, clock)
    await visitors.take(await received(store, clock, "v1", **{"Business Email": "a@x.test"}))
    assert await inbox.next_batch(10) == []
    assert await state(store, "v1") == ("done", "V-20260310-assisted row 1")
