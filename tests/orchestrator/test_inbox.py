"""What came in: each delivery once, in order, tried again with pauses, never forgotten."""

import asyncio
import json
from contextlib import ExitStack, closing
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, text

from guardrails.clock import iso
from guardrails.errors import BadInput, NotFound
from guardrails.hive import Hive
from guardrails.store import Store, open_store
from guardrails.store.people_tables import inbox as table
from orchestrator.inbox import (
    MAX_ATTEMPTS,
    Inbox,
    InboxState,
    Source,
    document_of,
    pause_after,
    settle,
)
from orchestrator.inbox import store as put
from tests.conftest import SteppableClock
from tests.orchestrator.test_runs import until_it_waits

pytestmark = pytest.mark.anyio


async def came(
    kept: Store, clock: SteppableClock, id: str, body: str = "{}", source: Source = Source.RB2B
) -> bool:
    return await kept.run(lambda conn: put(conn, id, source, "visitor", body, clock()))


async def waiting(inbox: Inbox) -> list[str]:
    return [one.id for one in await inbox.next_batch(100)]


async def test_a_delivery_is_stored_once_and_the_first_one_counts(
    store: Store, clock: SteppableClock
) -> None:
    inbox = Inbox(store, clock)
    assert await came(store, clock, "rb2b:1", '{"First Name": "Ana"}')
    clock.step(5)
    assert not await came(store, clock, "rb2b:1", '{"First Name": "Bob"}')
    (found,) = await inbox.next_batch(10)
    assert found.document() == {"First Name": "Ana"}
    assert found.received_at == clock() - timedelta(seconds=5)


async def test_work_is_given_oldest_first_by_source_and_once_done_not_again(
    store: Store, clock: SteppableClock
) -> None:
    inbox = Inbox(store, clock)
    for number, source in enumerate([Source.GHL, Source.RB2B, Source.EDIT], start=1):
        await came(store, clock, f"x:{number}", source=source)
        clock.step(1)
    assert await waiting(inbox) == ["x:1", "x:2", "x:3"]
    assert [one.id for one in await inbox.next_batch(1)] == ["x:1"]
    assert [one.id for one in await inbox.next_batch(9, [Source.EDIT])] == ["x:3"]
    await inbox.done("x:1", lead_id="L-1")
    await inbox.junk("x:2", "no name in it")
    assert await waiting(inbox) == ["x:3"]


async def test_a_row_is_ended_in_the_transaction_of_its_effect_or_not_at_all(
    store: Store, clock: SteppableClock
) -> None:
    await came(store, clock, "x:1")

    def torn(conn: Connection) -> None:
        assert settle(conn, "x:1", clock())
        raise NotFound("the effect failed")

    with pytest.raises(NotFound):
        await store.run(torn)
    assert await waiting(Inbox(store, clock)) == ["x:1"]


async def test_of_two_who_end_a_row_one_has_done_it(store: Store, clock: SteppableClock) -> None:
    await came(store, clock, "x:1")
    ended = [await store.run(lambda conn: settle(conn, "x:1", clock())) for _ in range(2)]
    assert ended == [True, False]


async def test_what_fails_rests_longer_each_time_and_at_last_is_a_persons(
    store: Store, clock: SteppableClock
) -> None:
    inbox = Inbox(store, clock)
    await came(store, clock, "x:1")
    for attempt in range(1, MAX_ATTEMPTS):
        assert await inbox.fail("x:1", "the CRM is away") is InboxState.NEW
        clock.step(pause_after(attempt).total_seconds() - 0.001)
        assert await waiting(inbox) == []
        clock.step(0.001)
        assert await waiting(inbox) == ["x:1"]
    assert await inbox.fail("x:1", "the CRM is away") is InboxState.FAILED
    clock.step(days=30)
    assert await waiting(inbox) == []
    assert await inbox.depths() == {("rb2b", "failed"): 1}
    assert await inbox.again("x:1")
    assert await waiting(inbox) == ["x:1"]
    assert not await inbox.again("x:1")


async def test_one_that_fails_does_not_hold_up_the_others(
    store: Store, clock: SteppableClock
) -> None:
    inbox = Inbox(store, clock)
    await came(store, clock, "x:1")
    clock.step(1)
    await came(store, clock, "x:2")
    await inbox.fail("x:1", "odd")
    assert await waiting(inbox) == ["x:2"]


async def test_a_failure_after_the_end_changes_nothing(store: Store, clock: SteppableClock) -> None:
    inbox = Inbox(store, clock)
    await came(store, clock, "x:1")
    await inbox.done("x:1")
    assert await inbox.fail("x:1", "late") is InboxState.DONE
    with pytest.raises(NotFound):
        await inbox.fail("x:none", "who?")


@pytest.mark.postgres
async def test_what_another_queen_is_just_ending_does_not_begin_anew(
    hive: Hive, migrated_postgres_url: str, clock: SteppableClock
) -> None:
    with ExitStack() as stack:
        here, there = (
            stack.enter_context(closing(open_store(hive, migrated_postgres_url))) for _ in range(2)
        )
        inbox = Inbox(here, clock)
        await came(here, clock, "x:1")
        with there.transaction() as conn:
            assert settle(conn, "x:1", clock(), note="taken")
            failing = asyncio.create_task(inbox.fail("x:1", "late"))
            await until_it_waits(there, failing)
        assert await failing is InboxState.DONE
        assert await waiting(inbox) == []


def test_pauses_double_up_to_an_hour() -> None:
    pauses = [pause_after(attempts).total_seconds() for attempts in range(1, 13)]
    assert pauses[:3] == [5, 10, 20]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 3600


async def test_junk_waits_for_nobody_and_is_counted(store: Store, clock: SteppableClock) -> None:
    inbox = Inbox(store, clock)

    def keep(conn: Connection) -> bool:
        return put(conn, "j:1", Source.RB2B, "junk", "<x>\0\ud800", clock(), junk="no JSON")

    assert await store.run(keep)
    assert await waiting(inbox) == []
    assert await inbox.depths() == {("rb2b", "junk"): 1}
    body = await store.query(lambda conn: conn.execute(text("SELECT body FROM inbox")).scalar())
    assert body == "<x>\\x00?"


@pytest.mark.parametrize(
    "body",
    ["", "[]", "3", "null", '"x"', "{", '{"a": NaN}', "[" * 100_000, '{"a":' * 5_000, "\0", "{}x"],
)
def test_what_is_no_json_object_is_refused_in_the_same_way(body: str) -> None:
    with pytest.raises(BadInput):
        document_of(body)


def test_half_an_emoji_and_a_nul_do_not_make_a_lead_unusable() -> None:
    found = document_of('\ufeff{"First Name": "Ana \\ud83d", "Title": "C\\u0000EO"}')
    assert found == {"First Name": "Ana ?", "Title": "CEO"}


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.text(), st.lists, max_leaves=5)))
def test_any_object_can_be_read_and_stored_as_text(value: dict[str, object]) -> None:
    read = document_of(json.dumps(value))
    assert json.dumps(read, ensure_ascii=False).encode()


async def test_thousands_of_done_ones_are_not_looked_at(
    store: Store, clock: SteppableClock
) -> None:
    """By the plan, not by a stopwatch."""
    at = iso(clock())
    rows = [
        {"id": f"d:{n}", "source": "rb2b", "kind": "visitor", "state": "done", "attempts": 0,
         "received_at": at, "updated_at": at}
        for n in range(2_000)
    ]  # fmt: skip
    with store.transaction() as conn:
        conn.execute(insert(table), rows)
        if store.dialect == "postgresql":
            conn.execute(text("ANALYZE inbox"))
    explain = "EXPLAIN QUERY PLAN" if store.dialect == "sqlite" else "EXPLAIN"
    questions = (
        "SELECT * FROM inbox WHERE state = 'new' AND source IN ('rb2b', 'ghl')"
        f" AND (not_before IS NULL OR not_before <= '{at}') ORDER BY received_at LIMIT 50",
        "SELECT source, state, count(*) FROM inbox WHERE state IN ('new', 'junk', 'failed')"
        " GROUP BY source, state",
    )
    for question in questions:
        with store.read() as conn:
            plan = "\n".join(str(row) for row in conn.execute(text(f"{explain} {question}")))
        assert "ix_inbox_state_received_at" in plan, plan
