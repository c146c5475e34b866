"""A submission becomes a run whole or not at all, whatever dies when, and nobody is taken twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from guardrails.errors import BadInput
from guardrails.hive import Hive
from guardrails.ledger import Ledger
from guardrails.model import Mode
from guardrails.store import Store, open_store
from guardrails.store.tables import runs, shadow_emails, suppressions
from orchestrator import submission_rows as rows
from orchestrator.day_log import DayLog
from orchestrator.deliveries import queue
from orchestrator.inbox import Received, Source
from orchestrator.inbox import store as put
from orchestrator.submission_rows import (
    Stage,
    Submission,
    find,
    hand_in,
    new_run,
    submission_id,
)
from orchestrator.visitors import Visitors, one_at_a_time
from servers.hunter.contract import ImportLeads, Visitor
from tests.conftest import SteppableClock
from tests.guardrails.authorize_samples import note
from tests.orchestrator.mcp.taking import HEADER, RECENT, Killed, Mortal, Queen, people

pytestmark = pytest.mark.anyio


@pytest.fixture
def queen(hive: Hive, store: Store, clock: SteppableClock) -> Iterator[Queen]:
    made = Queen(hive, store, clock)
    yield made
    made.close()


@pytest.fixture
def one_queen(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[Queen]:
    made = Queen(hive, sqlite_store, clock)
    yield made
    made.close()


async def test_a_submission_becomes_a_run_with_every_row_in_it(queen: Queen) -> None:
    received = await queen.submitted(
        people("ana", "ben") + "not an address,Cyd,Doe,C\nana@ana.example,Ana,Doe,A\n"
    )
    assert received is not None
    told = await queen.submissions().take(received)
    id = received.id.removeprefix("submission:")
    run_id = f"{id}-assisted"
    assert told == f"{run_id}: 2 leads, 2 set aside"
    assert [(row[0], row[1], row[3]) for row in await queen.rows()] == [
        (run_id, 1, None), (run_id, 2, None), (run_id, 3, "invalid"), (run_id, 4, "duplicate"),
    ]  # fmt: skip
    state, body, _ = await queen.kept(received.id)
    assert (state, body) == ("done", None)  # each person can be erased by themselves from here on
    found = await queen.store.query(lambda conn: find(conn, id))
    assert (found.stage, found.total, found.open_rows) == (Stage.WORKING, 4, 2)


async def test_killed_at_any_moment_it_is_taken_up_again_and_nobody_is_lost_or_doubled(
    one_queen: Queen,
) -> None:
    """Every moment between two steps, one after another: the next process finds all or nothing."""
    moment, killed = 0, 0
    while True:
        moment += 1
        text_ = people(f"a{moment}", f"b{moment}") + "nobody,X,Y,Z\n"
        received = await one_queen.submitted(text_)
        assert received is not None
        mortal = Mortal(moment)
        with suppress(Killed):
            await one_queen.submissions(mortal).take(received)
            assert killed >= 8
            break
        killed += 1
        again = await one_queen.submitted(text_)
        if again is not None:
            await one_queen.submissions().take(again)
        id = received.id.removeprefix("submission:")
        mine = [row for row in await one_queen.rows() if row[0] == f"{id}-assisted"]
        assert [(row[1], row[3]) for row in mine] == [(1, None), (2, None), (3, "invalid")]
        assert await one_queen.submitted(text_) is None


async def test_taken_up_twice_at_once_it_is_one_run(queen: Queen) -> None:
    received = await queen.submitted(people("ana", "ben"))
    assert received is not None
    await asyncio.gather(*(queen.submissions().take(received) for _ in range(4)))
    assert len(await queen.rows()) == 2


async def test_the_same_people_in_two_submissions_at_once_are_taken_once(queen: Queen) -> None:
    handed = [await queen.submitted(people("ana", "ben"), key) for key in ("one", "two")]
    await asyncio.gather(*(queen.submissions().take(one) for one in handed if one))
    states = [row[3] for row in await queen.rows()]
    assert sorted(states, key=str) == [None, None, "duplicate", "duplicate"]


@pytest.mark.postgres
async def test_while_another_queen_adds_people_she_waits_for_her_place(
    hive: Hive, migrated_postgres_url: str, clock: SteppableClock
) -> None:
    """Else both would look, find nobody in hand, and take the same person."""
    store, other = (open_store(hive, migrated_postgres_url) for _ in range(2))
    queen = Queen(hive, store, clock)
    received = await queen.submitted(people("ana"))
    assert received is not None
    waits = text(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database "
        "WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
    )
    with other.transaction() as conn:
        one_at_a_time(conn)
        taking = asyncio.create_task(queen.submissions().take(received))
        while not taking.done() and not conn.execute(waits).scalar_one():
            await asyncio.wait({taking}, timeout=0.01)
        assert not taking.done()
    await taking
    assert [row[3] for row in await queen.rows()] == [None]
    for opened in (queen, store, other):
        opened.close()


async def test_who_is_in_hand_already_is_on_record_as_such_with_the_reason(
    one_queen: Queen,
) -> None:
    first = await one_queen.submitted(people("ana"))
    assert first is not None
    await one_queen.submissions().take(first)
    second = await one_queen.submitted(people("ana", "ben"))
    assert second is not None
    await one_queen.submissions().take(second)
    held = [row for row in await one_queen.rows() if row[3] == "duplicate"]
    assert [row[1] for row in held] == [1]
    record = one_queen.audit.find(held[0][2])
    assert record is not None
    [reason] = record["body"]["reasons"]
    assert reason["code"] == "in_hand"
    assert first.id.removeprefix("submission:") in reason["text"]


async def test_who_is_taken_in_hand_meanwhile_is_set_aside_beside_who_was_before(
    hive: Hive, sqlite_store: Store, clock: SteppableClock
) -> None:
    first = Queen(hive, sqlite_store, clock)
    before, meanwhile = [await first.submitted(people(one)) for one in ("ana", "ben")]
    both = await first.submitted(people("ana", "ben", "cyd"))
    assert before is not None
    assert meanwhile is not None
    assert both is not None
    await first.submissions().take(before)
    second = Queen(hive, Late(sqlite_store, lambda: first.submissions().take(meanwhile)), clock)  # type: ignore[arg-type]
    async with asyncio.timeout(60):  # or it would look for ever
        said = await second.submissions().take(both)
    assert "1 leads, 2 set aside" in said
    first.close()
    second.close()


class Late:
    """A store whose second write comes after something else was done."""

    def __init__(self, store: Store, before: Callable[[], Awaitable[object]]) -> None:
        self._store, self._before, self._writes = store, before, 0

    async def run(self, call: Any) -> Any:
        self._writes += 1
        if self._writes == 2:
            await self._before()
        return await self._store.run(call)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.mark.parametrize("way", ["delivery", "ledger", "visitor"])
async def test_who_is_on_the_way_or_was_written_to_is_left_alone(
    one_queen: Queen, way: str
) -> None:
    received = await one_queen.submitted(people("ana"))
    assert received is not None
    await one_queen.submissions().take(received)
    [(run_id, row, lead_id, _)] = await one_queen.rows()
    ended = text("UPDATE run_items SET state = 'ready'")
    await one_queen.store.run(lambda conn: conn.execute(ended))
    if way == "delivery":
        await one_queen.store.run(lambda conn: queue(conn, "A-1", lead_id, run_id, row, "2026"))
    elif way == "ledger":
        config, clock = one_queen.config.production, one_queen.clock
        ledger = Ledger.of(config, one_queen.store, clock, one_queen.hive.salt())
        entry = ledger.entry("send:1", note(), lead_id=lead_id)
        await one_queen.store.run(lambda conn: ledger.claim(conn, entry))
        counted = text("UPDATE writes SET counts = :yes")
        await one_queen.store.run(lambda conn: conn.execute(counted, {"yes": True}))
    else:
        undecided = text("UPDATE run_items SET state = NULL")
        await one_queen.store.run(lambda conn: conn.execute(undecided))
    again = await one_queen.submitted(people("ana"), "again")
    assert again is not None
    await one_queen.submissions().take(again)
    assert [row[3] for row in await one_queen.rows() if row[0] != run_id] == ["duplicate"]


async def test_who_waits_only_in_a_run_that_was_given_up_is_taken(one_queen: Queen) -> None:
    received = await one_queen.submitted(people("ana"))
    assert received is not None
    await one_queen.submissions().take(received)
    given_up = runs.update().values(status="abandoned")
    await one_queen.store.run(lambda conn: conn.execute(given_up))
    again = await one_queen.submitted(people("ana"), "again")
    assert again is not None
    await one_queen.submissions().take(again)
    assert [row[3] for row in await one_queen.rows()] == [None, None]


@pytest.mark.parametrize("more", ["", "ana@ana.example,Ana,\n"])
async def test_an_opt_out_in_any_row_of_a_person_is_honoured_for_good(
    one_queen: Queen, more: str
) -> None:
    csv = f"Email,First Name,Unsubscribed\n{more}ana@ana.example,Ana,yes\n"
    received = await one_queen.submitted(csv)
    assert received is not None
    await one_queen.submissions().take(received)
    found = await one_queen.store.query(lambda conn: conn.execute(select(suppressions)).all())
    assert [row.reason for row in found] == ["opted_out"]
    lead = text("SELECT lead FROM run_items WHERE row = 1")
    [kept] = await one_queen.store.query(lambda conn: conn.execute(lead).all())
    assert '"opted_out":true' in kept.lead


@pytest.mark.parametrize(
    ("csv", "why"),
    [
        ("nothing,useful\n1,2\n", "no column is recognised"),
        (HEADER + "a@a.example,A,B,C\n" * (rows.MAX_ROWS + 1), "more than 1000 rows"),
    ],
)
async def test_what_cannot_be_read_is_told_and_its_text_is_not_kept(
    one_queen: Queen, csv: str, why: str
) -> None:
    received = await one_queen.submitted(csv)
    assert received is not None
    assert why in await one_queen.submissions().take(received)
    state, body, told = await one_queen.kept(received.id)
    assert (state, body) == ("junk", None)
    assert why in (told or "")
    id = received.id.removeprefix("submission:")
    found = await one_queen.store.query(lambda conn: find(conn, id))
    assert found.stage is Stage.REFUSED
    assert await one_queen.rows() == []


async def test_the_same_key_or_the_same_rows_are_one_submission(one_queen: Queen) -> None:
    first = await one_queen.submitted(people("ana"))
    assert first is not None
    await one_queen.submissions().take(first)
    assert await one_queen.submitted(people("ana")) is None
    assert await one_queen.submitted(people("ben"), "k") is not None
    with pytest.raises(BadInput, match="other leads"):
        await one_queen.submitted(people("cyd"), "k")


async def test_more_than_the_queen_takes_up_is_refused(one_queen: Queen) -> None:
    def fill(conn: Connection) -> None:
        for number in range(rows.MAX_WAITING):
            csv = people(f"a{number}")
            hand_in(conn, Submission(submission_id=submission_id(csv, None), csv_text=csv), at)

    at = one_queen.clock()
    await one_queen.store.run(fill)
    with pytest.raises(BadInput, match="wait for the queen"):
        await one_queen.submitted(people("late"))
    assert await one_queen.submitted(people("a0")) is not None  # known: nothing more is taken


async def test_a_submission_is_worked_off_with_visitors_in_the_order_of_arrival(
    one_queen: Queen,
) -> None:
    received = await one_queen.submitted(people("ana"))
    assert received is not None
    await one_queen.submissions().take(received)
    visitors = Visitors(
        one_queen.store,
        None,
        one_queen.clock,
        Mode.ASSISTED,
        sandbox=True,
        recent=RECENT,  # type: ignore[arg-type]
    )
    await visitors.close_days()
    open_ = select(runs.c.status)
    [run] = await one_queen.store.query(lambda conn: conn.execute(open_).all())
    assert run.status == "running"
    ended = text("UPDATE run_items SET state = 'blocked'")
    await one_queen.store.run(lambda conn: conn.execute(ended))
    await visitors.close_days()
    [run] = await one_queen.store.query(lambda conn: conn.execute(open_).all())
    assert run.status == "finished"


def test_the_id_is_of_the_key_or_of_the_rows() -> None:
    assert submission_id("a", None) == submission_id("a", None) != submission_id("b", None)
    assert submission_id("a", "k") == submission_id("b", "k") != submission_id("a", None)


async def test_a_visitor_and_a_submission_of_the_same_person_at_once_make_one_row(
    queen: Queen,
) -> None:
    received = await queen.submitted(people("ana"))
    assert received is not None
    mode, clock = Mode.ASSISTED, queen.clock
    hunter = Visiting(queen)
    visitors = Visitors(queen.store, hunter, clock, mode, sandbox=True, recent=RECENT)
    came = Received("rb2b:1", Source.RB2B, "visitor", '{"Business Email": "x"}', clock(), 0)
    await queen.store.run(
        lambda conn: put(conn, came.id, came.source, came.kind, came.body or "", clock())
    )
    await asyncio.gather(visitors.take(came), queen.submissions().take(received))
    assert [row[3] for row in await queen.rows()].count(None) == 1


async def test_in_shadow_the_days_log_shows_submitted_people_beside_visitors(
    one_queen: Queen,
) -> None:
    log = DayLog(one_queen.hive, one_queen.store, one_queen.clock)
    day, other = "2026-03-10T15:00:00.000000Z", "2026-03-09T15:00:00.000000Z"
    runs_ = [
        new_run("S-1", Mode.SHADOW, sandbox=True, total=1, at=day),
        new_run("S-2", Mode.SHADOW, sandbox=True, total=1, at=other),
        new_run("S-3", Mode.ASSISTED, sandbox=True, total=1, at=day),
    ]
    mails = [
        {"run_id": run, "row": 1, "email_id": run, "lead_id": "L", "document": f'"{run}"'}
        for run in ("V-20260310-shadow", *(str(run["run_id"]) for run in runs_))
    ]

    def work(conn: Connection) -> None:
        conn.execute(runs.insert(), runs_)
        conn.execute(shadow_emails.insert(), mails)

    await one_queen.store.run(work)
    await log.refresh()
    shown = json.loads((one_queen.hive.shadow_dir / "emails.json").read_text())
    assert shown == ["V-20260310-shadow", "S-1-shadow"]


class Visiting:
    """A hunter that reads every visit as Ana's, whom the CSV names too."""

    def __init__(self, queen: Queen) -> None:
        self._queen = queen

    async def call(self, _server: str, _spec: Any, _args: Any) -> Any:
        page = await self._queen.hunter.import_leads(ImportLeads(csv_text=people("ana")))
        return Visitor(lead=page.leads[0], dedupe_key="k")
