"""Cancelling a submission: nothing of it goes out any more, and what is out is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from guardrails.errors import NotFound
from guardrails.hive import Hive
from guardrails.ledger import Ledger, LedgerRefused
from guardrails.model import LeadState, Mode, WriteAction, WriteIntent
from guardrails.store import Store, open_store
from orchestrator.delivery_rows import DeliveryState, give_up, queue
from orchestrator.inbox import MAX_ATTEMPTS, Source
from orchestrator.run_records import Settled
from orchestrator.runs import Runs
from orchestrator.submission_cancel import Cancelled, Canceller
from orchestrator.submission_rows import Stage, find
from tests.conftest import SteppableClock
from tests.guardrails.approval_samples import RULES, Assisted, Waiting
from tests.guardrails.authorize_samples import in_mode
from tests.guardrails.ledger_samples import Book
from tests.orchestrator.mcp.taking import Killed, Mortal, MortalStore, Queen, people
from tests.orchestrator.test_runs import decision, until_it_waits

pytestmark = pytest.mark.anyio


class Taken:
    """A submission of three people that the queen has taken up."""

    def __init__(self, queen: Queen) -> None:
        self.queen = queen
        self.id = ""
        desk = Assisted(
            queen.hive, queen.store, queen.clock, queen.audit, queen.desk.bank,
            in_mode(Mode.ASSISTED),
        )  # fmt: skip
        self.waiting = Waiting(desk)

    @property
    def run_id(self) -> str:
        return f"{self.id}-assisted"

    async def begin(self) -> None:
        received = await self.queen.submitted(people("ana", "ben", "cyd"))
        assert received is not None
        await self.queen.submissions().take(received)
        self.id = received.id.removeprefix("submission:")

    def canceller(self, store: Any = None) -> Canceller:
        queen = self.queen
        approvals = self.waiting.approvals
        return Canceller(store or queen.store, queen.audit, approvals, queen.clock, "mcp")

    async def states(self) -> list[str | None]:
        return [row[3] for row in await self.queen.rows()]

    async def run(self, sql: str, **values: Any) -> Any:
        return await self.queen.store.run(lambda conn: conn.execute(text(sql), values))

    async def deliveries(self) -> dict[str, str]:
        query = text("SELECT delivery_id, state FROM deliveries")
        found = await self.queen.store.query(lambda conn: conn.execute(query).all())
        return {row.delivery_id: row.state for row in found}


@pytest.fixture
async def taken(hive: Hive, store: Store, clock: SteppableClock) -> AsyncIterator[Taken]:
    queen = Queen(hive, store, clock)
    made = Taken(queen)
    await made.begin()
    yield made
    queen.close()


async def test_before_the_queen_took_it_up_it_is_gone_and_she_finds_nothing(
    hive: Hive, sqlite_store: Store, clock: SteppableClock
) -> None:
    queen = Queen(hive, sqlite_store, clock)
    received = await queen.submitted(people("ana"))
    assert received is not None
    taken = Taken(queen)
    id = received.id.removeprefix("submission:")
    assert (await taken.canceller().cancel(id)).stage is Stage.CANCELLED
    await queen.submissions().take(received)  # she had it in her hand already
    assert await queen.rows() == []
    assert await queen.inbox.next_batch(10, [Source.SUBMISSION]) == []
    state, body, told = await queen.kept(received.id)
    assert (state, body) == ("done", None)
    assert (told or "").startswith("cancelled")
    queen.close()


async def test_undecided_leads_end_once_on_record_and_a_late_decision_changes_nothing(
    taken: Taken,
) -> None:
    done = await taken.canceller().cancel(taken.id)
    assert (done.stage, done.undecided) == (Stage.CANCELLED, 3)
    assert await taken.states() == ["deferred"] * 3
    [row] = [row for row in await taken.queen.rows() if row[1] == 1]
    record = taken.queen.audit.find(row[2])
    assert record is not None
    assert (record["actor"], record["body"]["reasons"][0]["code"]) == ("mcp", "cancelled")
    # Somebody was preparing it at that moment: their settlement queues nothing.
    runs = Runs(taken.queen.store, taken.queen.clock, RULES)
    late = Settled(1, decision(1, LeadState.READY), None, 0)
    assert not await runs.settle(taken.run_id, late)
    assert await taken.deliveries() == {}


async def test_what_waits_for_a_person_or_to_go_out_is_withdrawn_and_what_is_out_is_told(
    taken: Taken,
) -> None:
    await taken.run("UPDATE run_items SET state = 'ready'")
    waits = await taken.waiting.asked(run_id=taken.run_id, row=1)
    for number, state in enumerate(DeliveryState):
        name = f"A-{number}"
        await taken.queen.store.run(
            lambda conn, name=name: queue(conn, name, "L-1", taken.run_id, 2, "2026")  # type: ignore[misc]
        )
        await taken.run(
            "UPDATE deliveries SET state = :s WHERE delivery_id = :d", s=state.value, d=name
        )
    done = await taken.canceller().cancel(taken.id)
    assert (done.approvals, done.unsent, done.sent, done.unknown) == (1, 2, 1, 1)
    found = await taken.waiting.approvals.get(waits.approval_id)
    assert found is not None
    assert (found.state, found.reason_code) == ("withdrawn", "cancelled")
    assert sorted((await taken.deliveries()).values()) == [
        "failed", "refused", "refused", "refused", "sent", "unknown",
    ]  # fmt: skip


async def test_a_yes_that_was_quicker_is_given_up_too(taken: Taken) -> None:
    """An approver says yes between the two steps: what it queued does not go out."""
    await taken.run("UPDATE run_items SET state = 'awaiting_approval'")

    async def yes() -> None:
        await taken.queen.store.run(
            lambda conn: queue(conn, "A-yes", "L-1", taken.run_id, 1, "2026")
        )

    done = await taken.canceller(Meanwhile(taken, yes)).cancel(taken.id)
    assert done.unsent == 1
    assert set((await taken.deliveries()).values()) == {"refused"}


async def test_killed_at_any_moment_the_same_call_ends_it(
    hive: Hive, sqlite_store: Store, clock: SteppableClock
) -> None:
    queen = Queen(hive, sqlite_store, clock)
    moment, survived = 0, False
    while not survived:
        moment += 1
        taken = Taken(queen)
        received = await queen.submitted(people(f"a{moment}", f"b{moment}"))
        assert received is not None
        await queen.submissions().take(received)
        taken.id = received.id.removeprefix("submission:")
        try:
            await taken.canceller(MortalStore(sqlite_store, Mortal(moment))).cancel(taken.id)
            survived = True
        except Killed:
            await taken.canceller().cancel(taken.id)
        mine = [row for row in await queen.rows() if row[0] == taken.run_id]
        assert [row[3] for row in mine] == ["deferred"] * 2
        found = await sqlite_store.query(lambda conn, id=taken.id: find(conn, id))  # type: ignore[misc]
        assert found.stage is Stage.CANCELLED
    assert moment > 6
    queen.close()


@pytest.mark.postgres
async def test_cancelled_between_the_queens_look_and_her_hold_nothing_is_taken_up(
    hive: Hive, migrated_postgres_url: str, clock: SteppableClock
) -> None:
    """On PostgreSQL both may be at it at once: whoever ends the delivery has it."""
    store, other = (open_store(hive, migrated_postgres_url) for _ in range(2))
    queen = Queen(hive, store, clock)
    received = await queen.submitted(people("ana", "ben"))
    assert received is not None
    canceller, told = Taken(queen).canceller(other), list[Cancelled]()

    def has_looked(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT inbox.state") and not told:
            told.append(Cancelled(Stage.WAITING))
            told[0] = asyncio.run(canceller.cancel(received.id.removeprefix("submission:")))

    event.listen(Engine, "after_cursor_execute", has_looked)
    try:
        said = await queen.submissions().take(received)
    finally:
        event.remove(Engine, "after_cursor_execute", has_looked)
    assert [one.stage for one in told] == [Stage.CANCELLED]
    assert await queen.rows() == []
    assert "nothing" in said
    queen.close()
    other.close()
    store.close()


async def test_what_failed_again_and_again_is_cancelled_for_good(
    hive: Hive, sqlite_store: Store, clock: SteppableClock
) -> None:
    queen = Queen(hive, sqlite_store, clock)
    received = await queen.submitted(people("ana"))
    assert received is not None
    for _ in range(MAX_ATTEMPTS):
        await queen.inbox.fail(received.id, "the hunter is away")
    done = await Taken(queen).canceller().cancel(received.id.removeprefix("submission:"))
    assert done.stage is Stage.CANCELLED
    assert not await queen.inbox.again(received.id)
    assert (await queen.kept(received.id))[:2] == ("done", None)
    queen.close()


async def test_an_email_that_may_be_under_way_is_not_said_to_be_withdrawn(taken: Taken) -> None:
    """Its permit is minted: it may go out in this moment, and follow_submission tells then."""
    await one_free_and_one_held(taken)
    done = await taken.canceller().cancel(taken.id)
    assert (done.unsent, done.sent, done.unknown) == (1, 0, 1)


async def test_an_email_that_goes_out_while_it_is_cancelled_is_told_of_once(taken: Taken) -> None:
    await one_free_and_one_held(taken)

    async def out() -> None:
        await taken.run("UPDATE writes SET status = 'sent'")
        await taken.run("UPDATE deliveries SET state = 'sent' WHERE delivery_id = 'A-held'")

    done = await taken.canceller(Meanwhile(taken, out)).cancel(taken.id)
    assert (done.unsent, done.sent, done.unknown) == (1, 1, 0)


@pytest.mark.postgres
async def test_given_up_at_the_moment_of_its_claim_it_is_not_claimed(
    hive: Hive, migrated_postgres_url: str, clock: SteppableClock
) -> None:
    here, there = (open_store(hive, migrated_postgres_url) for _ in range(2))
    await here.run(lambda conn: queue(conn, "A-1", "L-1", "R-1", 1, "2026"))
    claim = partial(Book(here, clock).claim, "send:A-1", decision_audit_id="A-1")
    with there.transaction() as conn:
        give_up(conn, ["R-1"], "2026")
        claiming = asyncio.create_task(asyncio.to_thread(claim))
        await until_it_waits(here, claiming)
    with pytest.raises(LedgerRefused, match="given up"):
        await claiming
    for store in (here, there):
        store.close()


async def test_cancelling_twice_changes_nothing_more(taken: Taken) -> None:
    await taken.canceller().cancel(taken.id)
    again = await taken.canceller().cancel(taken.id)
    assert (again.stage, again.undecided, again.unsent) == (Stage.CANCELLED, 0, 0)


async def test_there_is_nothing_to_cancel_of_what_is_not_there(taken: Taken) -> None:
    with pytest.raises(NotFound):
        await taken.canceller().cancel("S-0000000000000000")


async def one_free_and_one_held(taken: Taken) -> None:
    """Two on their way; the ledger holds one of them for an attempt."""
    ledger = Ledger.of(taken.queen.config.production, taken.queen.store, taken.queen.clock, b"s")
    for row, name in enumerate(("A-free", "A-held"), start=1):
        await taken.queen.store.run(
            lambda conn, name=name, row=row: queue(conn, name, "L-1", taken.run_id, row, "2026")  # type: ignore[misc]
        )
    mail = WriteIntent(
        vendor="ghl", action=WriteAction.SEND_EMAIL, recipient="ana@ana.example", content={}
    )
    entry = ledger.entry(
        "send:A-held", mail, decision_audit_id="A-held", mailbox="us@us.example",
        to=mail.recipient, tier=1,
    )  # fmt: skip
    await taken.queen.store.run(lambda conn: ledger.claim(conn, entry))


class Meanwhile:
    """The store; something happens after the rows have ended."""

    def __init__(self, taken: Taken, happens: Callable[[], Awaitable[None]]) -> None:
        self._store = taken.queen.store
        self._happens = happens
        self._writes = 0

    async def run(self, call: Any) -> Any:
        result = await self._store.run(call)
        self._writes += 1
        if self._writes == 2:
            await self._happens()
        return result

    async def query(self, call: Any) -> Any:
        return await self._store.query(call)

    def read(self) -> Any:
        return self._store.read()
