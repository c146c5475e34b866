"""swarm workers: who lives, what is in whose hand, and what the dead have left."""

from __future__ import annotations

import contextlib

import pytest

from guardrails.clock import iso
from guardrails.errors import NotFound
from guardrails.fleet import hold
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.store import Store
from orchestrator.deliveries import queue
from orchestrator.environment import Environment
from orchestrator.fleet.show import fleet_document
from orchestrator.health.commands import retire_process
from tests.conftest import SteppableClock
from tests.orchestrator.fleet.queens import Queen
from tests.orchestrator.fleet.test_claims import opened

pytestmark = pytest.mark.anyio


async def test_it_tells_what_each_has_in_hand_and_what_is_left_of_the_dead(
    store: Store, clock: SteppableClock
) -> None:
    await opened(store, clock)
    await store.run(lambda conn: queue(conn, "A-1", "L-1", "R-1", 1, iso(clock())))
    one = await Queen(store, clock).lives()
    other = await Queen(store, clock, name="b").lives()
    await one.claims.rows(2, ())
    await other.claims.rows(1, ())
    await other.claims.deliveries(1, ())
    await store.run(lambda conn: hold(conn, "close days", other.session, 60))
    told = await store.query(fleet_document)
    assert (told["alive"], told["silent"], told["left"]) == (2, 0, 0)
    assert [each["in_hand"] for each in told["workers"]] == [
        {"rows": 2, "deliveries": 0, "inbox": 0},
        {"rows": 1, "deliveries": 1, "inbox": 0},
    ]
    assert [each["name"] for each in told["duties"]] == ["close days"]
    await one.dies()
    told = await store.query(fleet_document)
    assert (told["alive"], told["silent"], told["left"]) == (1, 1, 2)
    gone = told["workers"][0]
    assert (gone["state"], gone["in_hand"]["rows"], gone["left"]["rows"]) == ("silent", 0, 2)
    await other.claims.rows(9, ())
    assert (await store.query(fleet_document))["left"] == 0


async def test_what_a_former_session_of_a_worker_left_is_hers_too(
    store: Store, clock: SteppableClock
) -> None:
    await opened(store, clock)
    queen = await Queen(store, clock).lives()
    await queen.claims.rows(2, ())
    await Queen(store, clock, number=2).lives()  # she was started again
    [worker] = (await store.query(fleet_document))["workers"]
    assert (worker["state"], worker["left"]["rows"]) == ("alive", 2)


async def test_what_a_person_left_or_gave_up_is_not_left_to_be_taken_over(
    store: Store, clock: SteppableClock
) -> None:
    runs = await opened(store, clock)
    queen = await Queen(store, clock).lives()
    await queen.claims.rows(2, ())
    await queen.dies()
    assert (await store.query(fleet_document))["left"] == 2
    await runs.leave("R-1")
    assert (await store.query(fleet_document))["left"] == 0
    await runs.open("file", "R-2", Mode.ASSISTED, True, "leads.csv", fresh=False)  # the same again
    assert (await store.query(fleet_document))["left"] == 2
    await runs.open("file", "R-3", Mode.ASSISTED, True, "leads.csv", fresh=True)
    assert (await store.query(fleet_document))["left"] == 0


async def test_a_machine_that_a_person_says_is_gone_for_good_is_told_of_no_more(
    hive: Hive, store: Store, store_url: str | None, clock: SteppableClock
) -> None:
    gone = await Queen(store, clock, name="chain-of-one").lives()
    await Queen(store, clock, name="chain-of-two").lives()
    await gone.dies()
    environment = Environment({"SWARM_DATABASE_URL": store_url} if store_url else {})
    for name in ("queen@here/n-of-one", "queen@here/n-of-two"):
        with contextlib.suppress(NotFound):  # the second lives
            retire_process(name, hive.path, environment, as_json=True)
    told = await store.query(fleet_document)
    assert [one["state"] for one in told["workers"]] == ["ended", "alive"]
    assert told["silent"] == 0


async def test_on_a_new_database_there_is_nobody(store: Store) -> None:
    told = await store.query(fleet_document)
    assert (told["workers"], told["alive"], told["left"]) == ([], 0, 0)
