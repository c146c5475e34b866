"""Leads on their way out: queued with their row, due in time, ended once, never forgotten."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, select

from guardrails.clock import iso
from guardrails.errors import NotFound
from guardrails.model import LeadState, Mode, Reason
from guardrails.store import Store
from guardrails.store.write_tables import deliveries as table
from orchestrator.deliveries import Deliveries, DeliveryState, Ended, queue
from orchestrator.delivery_rows import due as ripe
from orchestrator.delivery_rows import queue_approved
from orchestrator.run_records import Settled
from orchestrator.runs import Runs
from tests.conftest import SteppableClock
from tests.orchestrator.fleet.queens import Queen
from tests.orchestrator.test_runs import RULES, asked_for, decision, lead, opened

pytestmark = pytest.mark.anyio
WHY = (Reason(code="spacing", text="45 s apart"),)


async def queued(store: Store, clock: SteppableClock, number: int = 1) -> Deliveries:
    def work(conn: Connection) -> None:
        for row in range(1, number + 1):
            queue(conn, f"A-{row}", f"L-{row}", "R-1", row, iso(clock()))

    await store.run(work)
    return Deliveries(store, clock)


async def due(store: Store, clock: SteppableClock) -> list[str]:
    asked = select(table.c.delivery_id).where(ripe(iso(clock()))).order_by(table.c.row)
    return await store.query(lambda conn: list(conn.execute(asked).scalars()))


async def test_a_ready_decision_is_queued_with_its_row_and_any_other_is_not(
    store: Store, clock: SteppableClock
) -> None:
    runs, deliveries = Runs(store, clock, RULES), Deliveries(store, clock)
    await opened(runs)
    await runs.add_page("R-1", [lead(1), lead(2)], [])
    assert await runs.settle("R-1", Settled(1, decision(1, LeadState.READY), None, 0))
    assert await runs.settle("R-1", Settled(2, decision(2, LeadState.AWAITING_APPROVAL), None, 0))
    assert not await runs.settle("R-1", Settled(1, decision(1, LeadState.READY), None, 0))
    assert await due(store, clock) == ["A-1"]
    found = await deliveries.get("A-1")
    assert (found.delivery_id, found.row, found.state) == ("A-1", 1, DeliveryState.QUEUED)


async def test_what_is_put_off_is_due_at_its_moment_and_not_before(
    store: Store, clock: SteppableClock
) -> None:
    deliveries = await queued(store, clock)
    until = clock() + timedelta(seconds=45)
    await deliveries.end("A-1", Ended(DeliveryState.DEFERRED, WHY, until))
    assert await due(store, clock) == []
    assert await deliveries.next_due("R-1") == until
    assert await deliveries.open("R-1") == 1
    clock.step(45)
    assert await due(store, clock) == ["A-1"]
    assert (await deliveries.get("A-1")).reasons == WHY


async def test_the_channel_is_chosen_once(store: Store, clock: SteppableClock) -> None:
    deliveries = await queued(store, clock)
    assert await deliveries.choose("A-1", "instantly") == "instantly"
    assert await deliveries.choose("A-1", "ghl") == "instantly"


async def test_sent_stays_sent_whatever_a_late_attempt_says(
    store: Store, clock: SteppableClock
) -> None:
    deliveries = await queued(store, clock)
    await deliveries.end("A-1", Ended(DeliveryState.SENT))
    await deliveries.end("A-1", Ended(DeliveryState.DEFERRED, WHY, clock()))
    assert (await deliveries.get("A-1")).state is DeliveryState.SENT
    assert await deliveries.open("R-1") == 0


@pytest.mark.parametrize("state", ["refused", "failed", "unknown"])
@pytest.mark.parametrize("late", [DeliveryState.QUEUED, DeliveryState.DEFERRED])
async def test_what_does_not_wait_any_more_waits_for_no_late_attempt_either(
    sqlite_store: Store, clock: SteppableClock, state: str, late: DeliveryState
) -> None:
    """A workflow that was left behind is gone on with, and tells what it came to before."""
    deliveries = await queued(sqlite_store, clock)
    await deliveries.end("A-1", Ended(DeliveryState(state), WHY))
    await deliveries.end("A-1", Ended(late, WHY, clock()))
    assert (await deliveries.get("A-1")).state is DeliveryState(state)


@pytest.mark.parametrize("state", ["refused", "failed"])
async def test_what_has_ended_is_not_due_again(
    store: Store, clock: SteppableClock, state: str
) -> None:
    deliveries = await queued(store, clock)
    await deliveries.end("A-1", Ended(DeliveryState(state), WHY))
    assert await due(store, clock) == []
    assert await deliveries.open("R-1") == 0


async def test_an_unknown_fate_and_an_open_follow_up_stay_open(
    store: Store, clock: SteppableClock
) -> None:
    deliveries = await queued(store, clock, 2)
    await deliveries.end("A-1", Ended(DeliveryState.UNKNOWN, WHY))
    await deliveries.end("A-2", Ended(DeliveryState.SENT, WHY, clock() + timedelta(seconds=60)))
    assert await due(store, clock) == ["A-1"]
    assert await deliveries.open("R-1") == 2
    assert await deliveries.next_due("R-1") is None  # nobody waits for a follow-up to send more
    clock.step(60)
    assert await due(store, clock) == ["A-1", "A-2"]


async def test_a_cap_for_everybody_puts_off_who_is_due_and_nobody_else(
    store: Store, clock: SteppableClock
) -> None:
    deliveries = await queued(store, clock, 5)
    await deliveries.end("A-1", Ended(DeliveryState.SENT))
    await deliveries.end("A-2", Ended(DeliveryState.UNKNOWN, WHY))
    await deliveries.end("A-3", Ended(DeliveryState.DEFERRED, WHY, clock() + timedelta(days=1)))
    until = clock() + timedelta(seconds=45)
    other = await Queen(store, clock).lives()
    assert await other.claims.delivery("A-4")
    assert await deliveries.put_off("R-1", until, WHY) == 1  # not what is in another's hand
    put_off = await deliveries.get("A-5")
    assert (put_off.state, put_off.not_before) == (DeliveryState.DEFERRED, until)
    assert await due(store, clock) == ["A-2", "A-4"]


async def test_fresh_gives_up_what_waits_in_the_run_before_and_keeps_what_is_unknown(
    store: Store, clock: SteppableClock
) -> None:
    runs = Runs(store, clock, RULES)
    await opened(runs)
    deliveries = await queued(store, clock, 3)
    await deliveries.end("A-2", Ended(DeliveryState.UNKNOWN, WHY))
    await deliveries.end("A-3", Ended(DeliveryState.SENT))
    await runs.open("k", "R-2", Mode.SHADOW, True, "leads.csv", fresh=True)
    states = [(await deliveries.get(f"A-{row}")).state for row in (1, 2, 3)]
    assert states == [DeliveryState.REFUSED, DeliveryState.UNKNOWN, DeliveryState.SENT]
    assert (await deliveries.get("A-1")).reasons[0].code == "given_up"


async def test_a_yes_that_comes_when_its_run_is_given_up_already_lets_nothing_go(
    store: Store, clock: SteppableClock
) -> None:
    """Whoever gives it up withdraws a moment later what waits for a person, or dies before that."""
    runs = Runs(store, clock, RULES)
    await opened(runs)
    approval = await store.run(lambda conn: asked_for(conn, clock))
    await opened(runs, run_id="R-2", fresh=True)
    await store.run(lambda conn: queue_approved(conn, approval, iso(clock())))
    found = await Deliveries(store, clock).get("A-1")
    assert (found.state, found.reasons[0].code) == (DeliveryState.REFUSED, "given_up")
    assert await due(store, clock) == []


async def test_what_was_never_queued_is_not_found(store: Store, clock: SteppableClock) -> None:
    with pytest.raises(NotFound):
        await Deliveries(store, clock).get("A-9")


async def test_what_was_claimed_and_not_begun_is_put_off_with_the_others(
    store: Store, clock: SteppableClock
) -> None:
    await queued(store, clock, 2)
    queen = await Queen(store, clock).lives()
    deliveries = Deliveries(store, clock, lambda: queen.session)
    await queen.claims.deliveries(2, ())
    until = clock() + timedelta(seconds=45)
    assert await deliveries.put_off("R-1", until, WHY, not_begun=["A-2"]) == 1
    assert await due(store, clock) == ["A-1"]


async def test_who_was_taken_for_dead_puts_off_nothing_that_another_has_in_hand(
    store: Store, clock: SteppableClock
) -> None:
    await queued(store, clock, 2)
    queen, other = Queen(store, clock), await Queen(store, clock, name="b").lives()
    await (await queen.lives()).claims.deliveries(2, ())
    await queen.dies()
    await other.claims.deliveries(2, ())
    late = Deliveries(store, clock, lambda: queen.session)
    until = clock() + timedelta(days=1)
    assert await late.put_off("R-1", until, WHY, not_begun=["A-2"]) == 0
    assert await due(store, clock) == ["A-1", "A-2"]


async def test_a_queen_who_has_lost_a_lead_changes_nothing_of_it(
    store: Store, clock: SteppableClock
) -> None:
    await queued(store, clock)
    first, second = await Queen(store, clock).lives(), await Queen(store, clock, name="b").lives()
    zombie = Deliveries(store, clock, lambda: first.session)
    taker = Deliveries(store, clock, lambda: second.session)
    assert await first.claims.delivery("A-1")
    await first.dies()
    assert await second.claims.delivery("A-1")
    await zombie.end("A-1", Ended(DeliveryState.SENT))
    await zombie.rest("A-1", clock() + timedelta(days=1))
    assert await due(store, clock) == ["A-1"]
    await taker.end("A-1", Ended(DeliveryState.REFUSED, WHY))
    await zombie.end("A-1", Ended(DeliveryState.SENT))
    assert (await zombie.get("A-1")).state is DeliveryState.REFUSED
