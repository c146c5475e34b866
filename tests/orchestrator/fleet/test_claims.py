"""Each piece of work is taken up by one queen, and what a dead one had by one of the others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection, Text, cast, event, func, select, text, update

from guardrails.clock import iso
from guardrails.hive import Hive
from guardrails.leases import end
from guardrails.model import Mode
from guardrails.store import Store, open_store
from guardrails.store.tables import run_items, runs
from orchestrator.deliveries import queue
from orchestrator.fleet.free_rows import (
    Pending,
    has_deliveries,
    has_received,
    has_rows,
    locked,
    open_rows,
    take_rows,
)
from orchestrator.inbox import Inbox, Source
from orchestrator.inbox import store as put
from orchestrator.runs import Runs
from orchestrator.work import InHand, look
from tests.conftest import SteppableClock
from tests.orchestrator.fleet.queens import Queen
from tests.orchestrator.test_runs import RULES, lead, until_it_waits

pytestmark = pytest.mark.anyio
R1 = [Pending("R-1", row) for row in range(1, 7)]


@pytest.fixture
async def two(store: Store, clock: SteppableClock) -> tuple[Queen, Queen]:
    one, two = Queen(store, clock), Queen(store, clock, name="b")
    return await one.lives(), await two.lives()


async def opened(
    store: Store, clock: SteppableClock, run_id: str = "R-1", key: str = "file", rows: int = 6
) -> Runs:
    """A run whose file is read."""
    book = Runs(store, clock, RULES)
    run = await book.open(key, run_id, Mode.ASSISTED, True, "leads.csv", fresh=False)
    await book.add_page(run_id, [lead(row) for row in range(1, rows + 1)], [])
    await book.imported(run, rows)
    return book


async def got(queen: Queen, limit: int, in_hand: tuple[Pending, ...] = ()) -> list[Pending]:
    return [one.what for one in await queen.claims.rows(limit, in_hand)]


async def test_what_one_has_another_does_not_get(
    store: Store, clock: SteppableClock, two: tuple[Queen, Queen]
) -> None:
    await opened(store, clock)
    assert await got(two[0], 4) == R1[:4]
    assert await got(two[1], 4) == R1[4:]
    assert await got(two[1], 4, tuple(R1[4:])) == []


async def test_of_many_who_ask_at_once_each_gets_other_rows(
    store: Store, clock: SteppableClock
) -> None:
    await opened(store, clock, rows=40)
    queens = [await Queen(store, clock, name=name).lives() for name in "abcd"]
    asked = [queen.claims.rows(3, ()) for _ in range(4) for queen in queens]
    batches = await asyncio.gather(*asked)
    found = [(one.session, one.what) for batch in batches for one in batch]
    # A queen who asks again without what she has is told of it again: nothing is lost to her.
    whose = {what: {session for session, each in found if each == what} for _, what in found}
    assert all(len(sessions) == 1 for sessions in whose.values())


@pytest.mark.postgres
async def test_what_another_machine_is_just_taking_is_passed_over_and_not_waited_for(
    hive: Hive, migrated_postgres_url: str, clock: SteppableClock
) -> None:
    here, there = (open_store(hive, migrated_postgres_url) for _ in range(2))
    await opened(here, clock)
    one, other = await Queen(here, clock).lives(), await Queen(there, clock, name="b").lives()
    with there.transaction() as conn:
        asked = open_rows(Mode.ASSISTED, "R-1", other.session, ()).order_by("row").limit(2)
        take_rows(conn, other.session, conn.execute(locked(asked, other.session, run_items)).all())
        async with asyncio.timeout(10):
            assert await got(one, 9) == R1[2:]
    assert await other.has("run_items") == 2
    for store in (here, there):
        store.close()


@pytest.mark.postgres
async def test_who_has_just_begun_keeps_what_she_takes_while_an_older_look_is_under_way(
    hive: Hive, migrated_postgres_url: str, clock: SteppableClock
) -> None:
    here, there, third = (open_store(hive, migrated_postgres_url) for _ in range(3))
    await opened(here, clock)
    one, young = await Queen(here, clock).lives(), Queen(there, clock, name="b")
    slowly = cast(func.pg_advisory_xact_lock_shared(7), Text).is_not(None)

    def look_and_take(conn: Connection) -> list[Pending]:
        asked = open_rows(Mode.ASSISTED, None, one.session, ()).where(slowly).order_by("row")
        found = conn.execute(locked(asked, one.session, run_items)).all()
        return [Pending(row.run_id, row.row) for row in take_rows(conn, one.session, found)]

    with third.transaction() as conn:
        conn.execute(select(func.pg_advisory_xact_lock(7)))
        looking = asyncio.create_task(here.run(look_and_take))
        await until_it_waits(there, looking)
        assert await got(await young.lives(), 2) == R1[:2]
    assert await looking == R1[2:]
    assert await young.has("run_items") == 2
    for store in (here, there, third):
        store.close()


async def test_what_a_dead_one_had_comes_with_her_name_and_to_one_alone(
    store: Store, clock: SteppableClock, two: tuple[Queen, Queen]
) -> None:
    await opened(store, clock)
    await got(two[0], 2)
    await two[0].dies()
    third = await Queen(store, clock, name="c").lives()
    both = await asyncio.gather(two[1].claims.rows(6, ()), third.claims.rows(6, ()))
    taken = [one for batch in both for one in batch if one.before is not None]
    assert sorted((one.what for one in taken), key=str) == R1[:2]
    assert {one.before for one in taken} == {two[0].session}


async def test_who_does_not_live_claims_nothing(
    store: Store, clock: SteppableClock, two: tuple[Queen, Queen]
) -> None:
    await opened(store, clock)
    await store.run(lambda conn: queue(conn, "A-1", "L-1", "R-1", 1, iso(clock())))
    await store.run(lambda conn: put(conn, "v1", Source.RB2B, "visitor", "{}", clock()))
    await two[0].dies()
    claims = two[0].claims
    assert await claims.rows(6, ()) == []
    assert await claims.deliveries(6, ()) == []
    assert await claims.delivery("A-1") is None
    assert await claims.received(6, (), tuple(Source)) == []


async def test_a_claim_whose_answer_was_lost_is_found_again(
    store: Store, clock: SteppableClock, two: tuple[Queen, Queen]
) -> None:
    await opened(store, clock)
    await got(two[0], 2)  # and she never hears of it
    again = await two[0].claims.rows(2, ())
    assert [(one.what, one.before) for one in again] == [(row, None) for row in R1[:2]]


async def test_what_is_given_back_is_for_the_next_but_not_what_has_ended(
    store: Store, clock: SteppableClock, two: tuple[Queen, Queen]
) -> None:
    await opened(store, clock)
    await got(two[0], 6)
    ended = (run_items.c.run_id == "R-1", run_items.c.row == 2)
    await store.run(
        lambda conn: conn.execute(update(run_items).where(*ended).values(state="blocked"))
    )
    await two[0].claims.rows(0, R1[2:], given_back=R1[:2])
    assert await got(two[1], 6) == R1[:1]
    await two[1].claims.give_back(rows=R1[2:])  # not hers to give
    assert await got(two[1], 6, (R1[0],)) == []


@pytest.mark.parametrize("left", [{"status": "abandoned"}, {"total": None}, {"mode": "live"}])
async def test_rows_are_taken_from_running_runs_whose_file_was_read(
    store: Store, clock: SteppableClock, two: tuple[Queen, Queen], left: dict[str, str | None]
) -> None:
    await opened(store, clock)
    await store.run(lambda conn: conn.execute(update(runs).values(left)))
    assert await got(two[0], 6) == []


async def test_a_run_that_a_person_left_waits_for_the_same_command(
    store: Store, clock: SteppableClock, two: tuple[Queen, Queen]
) -> None:
    book = await opened(store, clock)
    await book.leave("R-1")
    assert await got(two[0], 6) == []
    assert len(await two[0].claims.rows(2, (), run_id="R-1")) == 2  # whoever drives it names it
    await opened(store, clock)  # the same command
    assert len(await got(two[1], 6)) == 4


async def test_people_who_came_in_one_by_one_go_before_files(
    store: Store, clock: SteppableClock, two: tuple[Queen, Queen]
) -> None:
    await opened(store, clock, "R-0", rows=3)
    clock.step(1)
    await opened(store, clock, "V-2", "visitors:V-2", rows=1)
    clock.step(-60)
    await opened(store, clock, "S-1", "submission:S-1", rows=1)
    wanted = [Pending("S-1", 1), Pending("V-2", 1), Pending("R-0", 1)]
    assert await got(two[0], 3) == wanted


async def test_deliveries_and_what_came_in_are_claimed_and_given_back_alike(
    store: Store, clock: SteppableClock, two: tuple[Queen, Queen]
) -> None:
    for number in (1, 2, 3):
        at = iso(clock())
        await store.run(lambda conn, n=number, at=at: queue(conn, f"A-{n}", "L", "R-1", n, at))
        await store.run(
            lambda conn, n=number: put(conn, f"v{n}", Source.RB2B, "visitor", "{}", clock())
        )
        clock.step(1)
    one, other = two[0].claims, two[1].claims
    assert [each.what.delivery_id for each in await one.deliveries(2, ())] == ["A-1", "A-2"]
    assert [each.id for each in await one.received(2, (), tuple(Source))] == ["v1", "v2"]
    assert [each.what.delivery_id for each in await other.deliveries(9, ())] == ["A-3"]
    assert [each.id for each in await other.received(9, (), tuple(Source))] == ["v3"]
    await one.give_back(deliveries=["A-2"], received=["v2"])
    assert [each.what.delivery_id for each in await other.deliveries(9, ["A-3"])] == ["A-2"]
    assert [each.id for each in await other.received(9, ["v3"], tuple(Source))] == ["v2"]
    await two[0].dies()
    (taken,) = await other.deliveries(9, ["A-2", "A-3"])
    assert (taken.what.delivery_id, taken.before) == ("A-1", two[0].session)


async def test_what_came_in_is_not_for_a_queen_in_shadow_while_another_does_more(
    store: Store, clock: SteppableClock
) -> None:
    for source in (Source.RB2B, Source.SUBMISSION, Source.EDIT, Source.UNSUBSCRIBE):
        await store.run(lambda conn, s=source: put(conn, s.value, s, "any", "{}", clock()))
    dark = await Queen(store, clock, Mode.SHADOW).lives()

    async def offered() -> list[str]:
        work = await look(store, clock, Mode.SHADOW, InHand(dark.session))
        found = await dark.claims.received(9, (), tuple(Source))
        await dark.claims.give_back(received=[one.id for one in found])
        assert work.inbox == bool(found)
        return sorted(one.id for one in found)

    assert len(await offered()) == 4
    other = await Queen(store, clock, Mode.ASSISTED, "b").lives()
    assert await offered() == ["unsubscribe"]
    await other.dies()  # she may come back
    assert await offered() == ["unsubscribe"]
    await store.run(lambda conn: end(conn, other.name, other.session))
    assert len(await offered()) == 4


async def test_what_a_person_wants_worked_on_anew_is_not_left_to_who_had_it(
    store: Store, clock: SteppableClock
) -> None:
    """She lives, and leaves such things to the other now."""
    await store.run(lambda conn: put(conn, "v1", Source.RB2B, "visitor", "{}", clock()))
    dark = await Queen(store, clock, Mode.SHADOW).lives()
    assert await dark.claims.received(1, (), tuple(Source))
    await Inbox(store, clock).junk("v1", "not understood")
    await dark.claims.give_back(received=["v1"])
    other = await Queen(store, clock, Mode.ASSISTED, "b").lives()
    assert await Inbox(store, clock).again("v1")
    assert [one.id for one in await other.claims.received(1, (), tuple(Source))] == ["v1"]


async def test_what_was_decided_in_one_mode_goes_out_in_that_mode(
    store: Store, clock: SteppableClock, two: tuple[Queen, Queen]
) -> None:
    await opened(store, clock)  # assisted
    await store.run(lambda conn: queue(conn, "A-1", "L-1", "R-1", 1, iso(clock())))
    live = await Queen(store, clock, Mode.LIVE, "c").lives()
    work = await look(store, clock, Mode.LIVE, InHand(live.session))
    assert not work.deliveries
    assert await live.claims.deliveries(9, ()) == []  # in hers it would be refused
    for one in two:
        await store.run(lambda conn, one=one: end(conn, one.name, one.session))
    assert len(await live.claims.deliveries(9, ())) == 1  # nobody else would


async def test_she_knows_whether_anything_is_left_beside_what_she_has(
    store: Store, clock: SteppableClock, two: tuple[Queen, Queen]
) -> None:
    book = await opened(store, clock)
    await store.run(lambda conn: queue(conn, "A-1", "L-1", "R-1", 1, iso(clock())))
    one, other = two[0].claims, two[1].claims
    await one.rows(6, ())
    await one.deliveries(1, ())
    assert not await one.left_to_prepare("R-1", R1)
    assert not await one.left_to_deliver("R-1", ["A-1"])
    assert await other.left_to_prepare("R-1", ())
    assert await other.left_to_deliver("R-1", ())
    await two[0].dies()  # whose claims give nothing: something is left all the same
    assert await one.rows(6, (), run_id="R-1") == []
    assert await one.left_to_prepare("R-1", R1[:5])
    assert not await one.left_to_prepare("R-2", ())
    await book.open("file", "R-3", Mode.ASSISTED, True, "leads.csv", fresh=True)
    assert not await other.left_to_prepare("R-1", ())  # or she would wait for ever
    assert not await other.left_to_deliver("R-1", ())


async def test_one_look_sees_what_may_be_taken_up_and_nothing_else(
    store: Store, clock: SteppableClock, two: tuple[Queen, Queen]
) -> None:
    await opened(store, clock)
    await store.run(lambda conn: queue(conn, "A-1", "L-1", "R-1", 1, iso(clock())))
    await store.run(lambda conn: put(conn, "v1", Source.RB2B, "visitor", "{}", clock()))

    async def seen(queen: Queen, in_hand: InHand | None = None) -> tuple[bool, bool, bool]:
        known = in_hand or InHand(queen.session)
        work = await look(store, clock, Mode.ASSISTED, known)
        return work.rows, work.deliveries, work.inbox

    assert await seen(two[0]) == (True, True, True)
    await two[0].claims.rows(6, ())
    await two[0].claims.deliveries(1, ())
    await two[0].claims.received(1, (), tuple(Source))
    assert await seen(two[1]) == (False, False, False)
    known = InHand(two[0].session, frozenset(R1), frozenset({"A-1"}), frozenset({"v1"}))
    assert await seen(two[0], known) == (False, False, False)
    await two[0].dies()
    assert await seen(two[1]) == (True, True, True)


async def test_what_waits_for_a_person_or_for_its_day_is_not_looked_through(
    store: Store, clock: SteppableClock, two: tuple[Queen, Queen]
) -> None:
    """By its plan: of ten thousand that wait nothing is read."""
    await opened(store, clock, rows=1)
    asked: list[tuple[str, Any]] = []

    def work(conn: Connection) -> list[str]:
        @event.listens_for(conn, "before_cursor_execute")
        def _heard(_conn: Any, _cursor: Any, sql: str, given: Any, *_: Any) -> None:
            asked.append((sql, given))

        if conn.dialect.name == "postgresql":
            conn.execute(text("SET LOCAL enable_seqscan = off"))  # of a table this small
        has_rows(conn, Mode.ASSISTED, two[0].session, ())
        has_deliveries(conn, clock(), Mode.ASSISTED, two[0].session, ())
        has_received(conn, clock(), Mode.ASSISTED, two[0].session, ())
        explain = "EXPLAIN QUERY PLAN" if conn.dialect.name == "sqlite" else "EXPLAIN"
        mine = [each for each in asked if each[0].startswith("SELECT")]
        return [str(conn.exec_driver_sql(f"{explain} {sql}", given).all()) for sql, given in mine]

    rows, due, received = await store.query(work)
    assert "ix_run_items_open" in rows
    assert "ix_deliveries_state_not_before" in due
    assert "SCAN deliveries" not in due
    assert "ix_inbox_state_received_at" in received
