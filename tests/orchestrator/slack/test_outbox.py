"""Messages to Slack in the database: each once, reserved by one, in line with the approvals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from guardrails import approval_rows
from guardrails.model import Verdict
from guardrails.store import Store
from guardrails.store.people_tables import approvals
from orchestrator.slack import outbox, outgoing
from orchestrator.slack.outbox import card_id
from orchestrator.slack.outgoing import Outgoing, OutState
from tests.conftest import SteppableClock
from tests.guardrails.approval_samples import RULES

pytestmark = pytest.mark.anyio


async def asked(store: Store, clock: SteppableClock, number: int = 0) -> str:
    about = approval_rows.Asked(
        decision_audit_id=f"A-{number}", lead_id=f"L-{number}", run_id="run-1", row=number,
        verdict=Verdict.PASS, segment="agency", tier=1, content_hash="0" * 64,
    )  # fmt: skip
    now = clock()
    return await store.run(lambda conn: approval_rows.request(conn, about, RULES, now))


async def ended(store: Store, approval_id: str, state: str = "approved") -> None:
    here = approvals.c.approval_id == approval_id
    await store.run(lambda conn: conn.execute(update(approvals).where(here).values(state=state)))


async def caught_up(store: Store, clock: SteppableClock) -> int:
    now = clock()
    assert await store.query(lambda conn: outbox.behind(conn, now))
    changed = await store.run(lambda conn: outbox.catch_up(conn, now))
    assert not await store.query(lambda conn: outbox.behind(conn, now))
    return changed


async def due(store: Store, clock: SteppableClock) -> list[Outgoing]:
    now = clock()
    return await store.query(lambda conn: outgoing.due(conn, now, 20))


async def call(store: Store, function: Any, *args: Any) -> Any:
    return await store.run(lambda conn: function(conn, *args))


async def test_each_that_waits_gets_a_card_and_each_that_ended_another_version(
    store: Store, clock: SteppableClock
) -> None:
    first, second = await asked(store, clock, 1), await asked(store, clock, 2)
    assert await caught_up(store, clock) == 2
    (one, two) = await due(store, clock)
    assert {one.message_id, two.message_id} == {card_id(first), card_id(second)}
    later = clock() + timedelta(seconds=15)
    assert await call(store, outgoing.reserve, one, clock(), later)
    await call(store, outgoing.posted, one.message_id, "C1", "1.1", outgoing.ASKING, clock())
    await ended(store, str(one.approval_id))
    assert await caught_up(store, clock) == 1
    found = {m.message_id: m for m in await due(store, clock)}
    shown = found[one.message_id]
    assert (shown.state, shown.shown, shown.wanted) == (OutState.POSTED, 1, outgoing.ENDED)
    assert (shown.channel, shown.ts) == ("C1", "1.1")
    await call(store, outgoing.shown, one.message_id, outgoing.ENDED, clock())
    assert [m.message_id for m in await due(store, clock)] == [two.message_id]
    depths = await call(store, outbox.depths, clock())
    assert depths == {"waiting": 1, "failed": 0}


async def test_of_all_who_reserve_a_message_one_may_post_it(
    store: Store, clock: SteppableClock
) -> None:
    await asked(store, clock)
    await caught_up(store, clock)
    (seen,) = await due(store, clock)
    later = clock() + timedelta(seconds=15)
    assert await call(store, outgoing.reserve, seen, clock(), later)
    assert not await call(store, outgoing.reserve, seen, clock(), later)
    assert await due(store, clock) == []  # whoever has it has time to say what became of it
    clock.step(15)
    (doubted,) = await due(store, clock)
    assert doubted.state is OutState.POSTING
    assert await call(store, outgoing.release, doubted, clock())
    assert not await call(store, outgoing.release, doubted, clock())
    (anew,) = await due(store, clock)
    assert await call(store, outgoing.reserve, anew, clock(), clock() + timedelta(seconds=15))
    # Somebody who looked before that may not take the reservation away, having found nothing, nor
    # say when it is looked up, having had no answer: it is being posted at this moment.
    assert not await call(store, outgoing.release, doubted, clock())
    soon = clock() + timedelta(seconds=2)
    assert not await call(store, outgoing.rest, doubted, OutState.POSTING, clock(), soon, "busy")
    clock.step(2)
    assert await due(store, clock) == []


async def test_a_late_word_does_not_undo_what_stands(store: Store, clock: SteppableClock) -> None:
    approval_id = await asked(store, clock)
    await caught_up(store, clock)
    (seen,) = await due(store, clock)
    held = await call(store, outgoing.reserve, seen, clock(), clock() + timedelta(seconds=15))
    await call(store, outbox.adopt, approval_id, "C1", "1.1", clock())  # somebody clicked it
    assert not await call(
        store, outgoing.rest, held, OutState.POSTING, clock(), clock(), "no answer"
    )
    found = await call(store, outgoing.find, seen.message_id)
    assert (found.state, found.ts, found.shown) == (OutState.POSTED, "1.1", outgoing.ASKING)


async def test_a_message_rests_as_long_as_it_is_told(store: Store, clock: SteppableClock) -> None:
    now = clock()
    assert await store.run(lambda conn: outbox.notice(conn, "k", "x", at=now))
    until = now + timedelta(seconds=30)
    (seen,) = await due(store, clock)
    assert await call(store, outgoing.rest, seen, OutState.NEW, now, until, "a" * 1000)
    assert await due(store, clock) == []
    clock.step(30)
    (found,) = await due(store, clock)
    assert (found.state, found.attempts) == (OutState.NEW, 1)
    assert await call(store, outgoing.rest, found, OutState.FAILED, clock(), None, "no")
    assert not await call(store, outgoing.rest, found, OutState.NEW, clock(), None, "yes")
    assert (await call(store, outgoing.find, "notice:k")).state is OutState.FAILED
    assert await call(store, outbox.depths, clock()) == {"waiting": 0, "failed": 1}
