"""The whole way once on SQLite and once on PostgreSQL: found, suppressed, learned, acted upon."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, closing
from datetime import timedelta

import pytest

from guardrails.hive import Hive
from guardrails.store import open_store
from orchestrator.learning.acts import Acts, Person
from orchestrator.learning.learned import folded_since, queue_of
from orchestrator.learning.precision import words_of_people
from orchestrator.outcomes.protect import REACH, open_wishes
from tests.conftest import SteppableClock
from tests.guardrails.test_auto_pause import BOUNCE, RULES, World
from tests.orchestrator.outcomes.stage import Stage
from tests.orchestrator.test_runs import until_it_waits


def test_from_the_webhook_to_the_golden_set(stage_of_both: Stage) -> None:
    stage = stage_of_both
    ana, bob = (stage.wrote_to(f"{name}@elm.example") for name in ("ana", "bob"))
    stage.waits(ana)
    stage.waits(bob)
    stage.instantly("auto_reply_received", bob, reply_text="I am away until 20 March 2026.")
    assert stage.delivery(bob) == ("deferred", "2026-03-20T00:00:00.000000Z")
    stage.instantly("reply_received", ana, reply_text="no thanks")
    stage.instantly("spam_complaint", ana)
    stage.instantly("lead_interested", bob)
    stage.instantly("email_bounced", "stranger@far.example")
    assert len(stage.pauses()) == 1
    assert {stage.delivery(who)[0] for who in (ana, bob)} == {"refused"}
    now = stage.clock()
    with stage.store.read() as conn:
        wishes = open_wishes(conn, now - REACH)
        folded = folded_since(conn, stage.desk.hive.chain_id(), now - timedelta(hours=1))
        queue = queue_of(conn, stage.desk.hive.chain_id())
        assert words_of_people(conn) == {}
    assert {wish.email for wish in wishes} == {ana.email}
    assert len(wishes) == 2
    assert {lead for _, lead in folded.values()} == {ana.lead_id, bob.lead_id}
    assert (queue.waiting, queue.unreadable) == (0, ())
    acts = Acts(stage.store, stage.audit, stage.bank, stage.clock)
    done = asyncio.run(acts.promote_success(bob.lead_id, Person("person:ada", "it worked")))
    assert done.item.beta == 1.0


@pytest.mark.postgres
@pytest.mark.anyio
async def test_the_last_bounces_heard_at_once_on_two_machines_pause_as_one_by_one(
    hive: Hive, migrated_postgres_url: str, clock: SteppableClock
) -> None:
    with ExitStack() as stack:
        here, there = (
            stack.enter_context(closing(open_store(hive, migrated_postgres_url))) for _ in range(2)
        )
        world = World(here, clock)
        *before, last, other = world.sent(RULES.bounces_per_hour)
        world.happened(BOUNCE, before)
        with there.transaction() as conn:
            world.happens(conn, BOUNCE, last, clock(), "mailbox")
            meanwhile = asyncio.create_task(asyncio.to_thread(world.happened, BOUNCE, [other]))
            await until_it_waits(here, meanwhile)
        await meanwhile
        assert world.until == clock() + timedelta(hours=RULES.bounces_pause_hours)
