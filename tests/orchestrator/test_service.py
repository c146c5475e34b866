"""The queen's loop: everything once, what breaks again; what concerns everybody loses nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from guardrails.clock import iso
from guardrails.errors import BadInput, BankUnreadable, StoreUnavailable
from guardrails.hive import Hive
from guardrails.model import Mode, Reason
from guardrails.store import Store
from orchestrator.deliver import WORKFLOW as DELIVER
from orchestrator.deliveries import Deliveries, DeliveryState, Ended, queue
from orchestrator.errands import Errand, Errands
from orchestrator.inbox import Inbox, Received, Source
from orchestrator.inbox import store as put
from orchestrator.service import Service, rest_after
from orchestrator.visitors import Visitors
from tests.conftest import SteppableClock
from tests.orchestrator.fleet.queens import Queen
from tests.orchestrator.test_visitors import RECENT, Hunter

pytestmark = pytest.mark.anyio


@dataclass
class Engine:
    """Runs what a test says under each workflow's name."""

    prepare: Callable[[str, int], Awaitable[None]] | None = None
    deliver: Callable[[str], Awaitable[None]] | None = None
    ran: list[tuple[str, ...]] = field(default_factory=list)
    left: set[str] = field(default_factory=set)  # by somebody who died
    gone_on_with: list[str] = field(default_factory=list)

    async def go_on(self, about: str) -> dict[str, Any] | None:
        if about not in self.left:
            return None
        self.gone_on_with.append(about)
        assert self.deliver is not None
        await self.deliver(about.removeprefix("deliver:"))
        return {}

    def untried(self, workflow_id: str) -> str:
        return workflow_id

    async def run(self, name: str, _id: str, *args: Any) -> None:
        self.ran.append((name, *map(str, args)))
        work: Any = self.deliver if name == DELIVER else self.prepare
        assert work is not None
        await work(*args)


@dataclass
class Here:
    """A service over a real database, with an engine that does as it is told."""

    hive: Hive
    store: Store
    clock: SteppableClock
    mode: Mode = Mode.ASSISTED
    concurrency: int = 4
    engine: Engine = field(default_factory=Engine)
    handlers: dict[Source, Any] = field(default_factory=dict)
    errands: list[Errand] = field(default_factory=list)

    async def service(self) -> Service:
        queen = self.queen = await Queen(self.store, self.clock, self.mode).lives()
        self.deliveries = Deliveries(self.store, self.clock, lambda: queen.session)
        swarm: Any = SimpleNamespace(
            hive=self.hive, store=self.store, clock=self.clock, mode=self.mode,
            concurrency=self.concurrency, engine=self.engine, deliveries=self.deliveries,
            members=queen, claims=queen.claims,
        )  # fmt: skip
        visitors = Visitors(
            self.store, Hunter(), self.clock, self.mode, sandbox=True, recent=RECENT
        )
        handlers = {Source.RB2B: visitors.take, **self.handlers}
        inbox = Inbox(self.store, self.clock)
        return Service(swarm, inbox, handlers, Errands(self.errands))

    async def until(self, service: Service, holds: Callable[[], Awaitable[bool]]) -> None:
        """Run the loop until something is so, and end it in order."""
        ended = asyncio.Event()
        running = asyncio.create_task(service.run(ended))
        async with asyncio.timeout(20):
            while not await holds():  # noqa: ASYNC110 - the loop under test is waited for
                await asyncio.sleep(0.01)
        ended.set()
        await running

    async def arrives(self, id: str, source: Source = Source.RB2B, **body: Any) -> None:
        raw = json.dumps(body)
        await self.store.run(lambda conn: put(conn, id, source, "k", raw, self.clock()))

    async def queued(self, *ids: str) -> None:
        at = iso(self.clock())
        for id in ids:
            await self.store.run(lambda conn, id=id: queue(conn, id, f"L-{id}", "R-1", 1, at))

    async def ask(self, query: str) -> list[Any]:
        return await self.store.query(lambda conn: list(conn.execute(text(query)).scalars()))

    async def settles(self, run_id: str, row: int) -> None:
        query = text("UPDATE run_items SET state = 'blocked' WHERE run_id = :run AND row = :row")
        await self.store.run(lambda conn: conn.execute(query, {"run": run_id, "row": row}))

    async def sends(self, delivery_id: str) -> None:
        await self.deliveries.end(delivery_id, Ended(DeliveryState.SENT))


@pytest.fixture
def here(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Here:
    return Here(hive, sqlite_store, clock)


async def test_a_visitor_comes_in_and_is_decided_about_once(here: Here) -> None:
    here.engine.prepare = here.settles
    await here.arrives("v1", **{"Business Email": "a@x.test"})

    async def decided() -> bool:
        return await here.ask("SELECT state FROM run_items") == ["blocked"]

    await here.until(await here.service(), decided)
    assert here.engine.ran == [("prepare_lead", "V-20260310-assisted", "1")]
    assert await here.ask("SELECT state FROM inbox") == ["done"]


async def test_what_is_due_is_delivered_and_never_more_at_once_than_allowed(here: Here) -> None:
    most = running = 0

    async def deliver(delivery_id: str) -> None:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        await here.sends(delivery_id)

    here.engine.deliver = deliver
    await here.queued(*(f"A-{n}" for n in range(12)))

    async def all_sent() -> bool:
        return await here.ask("SELECT DISTINCT state FROM deliveries") == ["sent"]

    await here.until(await here.service(), all_sent)
    assert most <= here.concurrency
    assert len(here.engine.ran) == len(set(here.engine.ran)) == 12


async def test_in_shadow_nothing_is_delivered(here: Here) -> None:
    here.mode = Mode.SHADOW
    here.engine.prepare = here.settles
    await here.queued("A-1")
    await here.arrives("v1", **{"Business Email": "a@x.test"})

    async def decided() -> bool:
        return await here.ask("SELECT state FROM run_items") == ["blocked"]

    await here.until(await here.service(), decided)
    assert [name for name, *_ in here.engine.ran] == ["prepare_lead"]
    assert await here.ask("SELECT state FROM deliveries") == ["queued"]


async def test_a_stop_holds_everything_and_after_it_everything_goes_on(here: Here) -> None:
    here.engine.deliver = here.sends
    here.hive.stop_file.write_text("fire")
    await here.queued("A-1")
    service = await here.service()

    async def waits() -> bool:
        return service.told()["waits_because"] == "stopped"

    await here.until(service, waits)
    assert here.engine.ran == []
    here.hive.stop_file.unlink()

    async def sent() -> bool:
        return await here.ask("SELECT state FROM deliveries") == ["sent"]

    await here.until(await here.service(), sent)


async def test_what_nobody_can_tell_is_asked_about_again_but_not_all_the_time(here: Here) -> None:
    async def cannot_tell(delivery_id: str) -> None:
        await here.deliveries.end(delivery_id, Ended(DeliveryState.UNKNOWN))

    here.engine.deliver = cannot_tell
    await here.queued("A-1")
    service = await here.service()

    async def asked(times: int) -> bool:
        return len(here.engine.ran) == times and bool(await waits_until())

    async def waits_until() -> list[str]:
        found = await here.ask("SELECT not_before FROM deliveries")
        return [one for one in found if one and one > iso(here.clock())]

    await here.until(service, lambda: asked(1))
    assert await waits_until() == [iso(here.clock() + timedelta(seconds=60))]
    here.clock.step(seconds=61)
    await here.until(service, lambda: asked(2))
    assert await waits_until() == [iso(here.clock() + timedelta(seconds=120))]


def test_what_is_asked_about_for_months_is_still_asked_about_every_hour() -> None:
    pauses = [rest_after(times).total_seconds() for times in (1, 2, 7, 8, 24 * 365)]
    assert pauses == [60, 120, 3600, 3600, 3600]


async def test_a_delivery_that_breaks_rests_and_stops_nobody_else(here: Here) -> None:
    async def deliver(delivery_id: str) -> None:
        if delivery_id == "A-bad":
            raise RuntimeError("a defect")
        await here.sends(delivery_id)

    here.engine.deliver = deliver
    await here.queued("A-bad", "A-good")

    async def settled() -> bool:
        rests = "SELECT count(*) FROM deliveries WHERE not_before IS NOT NULL"
        good = "SELECT state FROM deliveries WHERE delivery_id = 'A-good'"
        return await here.ask(good) == ["sent"] and await here.ask(rests) == [1]

    await here.until(await here.service(), settled)
    assert here.engine.ran.count((DELIVER, "A-bad")) == 2  # its second try, and then it rests


async def test_a_cap_for_everybody_puts_off_everybody(here: Here) -> None:
    async def full(delivery_id: str) -> None:
        until = here.clock() + timedelta(hours=1)
        reason = Reason(code="cap_hour", text="Full.")
        await here.deliveries.end(delivery_id, Ended(DeliveryState.DEFERRED, (reason,), until))

    here.concurrency = 1
    here.engine.deliver = full
    await here.queued(*(f"A-{n}" for n in range(5)))

    async def put_off() -> bool:
        return await here.ask("SELECT DISTINCT state FROM deliveries") == ["deferred"]

    await here.until(await here.service(), put_off)
    assert len(here.engine.ran) == 1  # one asked for all


async def test_what_cannot_be_understood_is_junk_and_what_fails_is_tried_again(
    here: Here,
) -> None:
    async def refuse(_received: Received) -> str:
        raise BadInput("no such thing")

    async def fail(_received: Received) -> str:
        raise RuntimeError("a defect")

    here.handlers = {Source.EDIT: refuse, Source.GHL: fail}
    await here.arrives("e1", Source.EDIT)
    await here.arrives("g1", Source.GHL)
    await here.arrives("u1", Source.UNSUBSCRIBE)  # nobody takes these here: it waits

    async def settled() -> bool:
        states = await here.ask("SELECT state || attempts FROM inbox ORDER BY id")
        return states == ["junk0", "new1", "new0"]

    await here.until(await here.service(), settled)


@pytest.mark.parametrize("error", [StoreUnavailable("away"), BankUnreadable("torn")])
async def test_what_concerns_everybody_makes_her_wait_and_is_told(
    here: Here, error: Exception
) -> None:
    here.engine.deliver = here.sends
    troubles = [error]

    async def learn() -> None:
        if troubles:
            raise troubles.pop()

    here.errands = [Errand("learn", 0.0, learn)]
    await here.queued("A-1")
    service = await here.service()
    seen: set[str | None] = set()

    async def sent() -> bool:
        seen.add(service.told()["waits_because"])
        return await here.ask("SELECT state FROM deliveries") == ["sent"]

    await here.until(service, sent)
    assert seen >= {getattr(error, "code", None)}


async def test_an_errand_that_fails_stops_no_other_and_is_not_hurried() -> None:
    now, done = [0.0], []

    async def fails() -> None:
        done.append("fails")
        raise BadInput("no")

    async def works() -> None:
        done.append("works")

    errands = Errands([Errand("a", 10, fails), Errand("b", 1, works)], lambda: now[0])
    for moment in (0.0, 0.5, 1.0, 10.0):
        now[0] = moment
        await errands.run()
    assert done == ["fails", "works", "works", "fails", "works"]


async def test_a_defect_in_one_errand_does_not_end_the_queen() -> None:
    done: list[str] = []

    async def breaks() -> None:
        raise ValueError("a defect")

    async def works() -> None:
        done.append("works")

    await Errands([Errand("a", 1, breaks), Errand("b", 1, works)], lambda: 0.0).run()
    assert done == ["works"]


async def test_what_is_in_hand_at_the_end_comes_to_its_own_end(here: Here) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def deliver(delivery_id: str) -> None:
        begun.set()
        ended.set()
        await asyncio.sleep(0.05)
        await here.sends(delivery_id)

    here.engine.deliver = deliver
    await here.queued("A-1")
    running = asyncio.create_task((await here.service()).run(ended))
    async with asyncio.timeout(10):
        await begun.wait()
        await running
    assert await here.ask("SELECT state FROM deliveries") == ["sent"]


async def test_an_errand_for_all_is_done_by_who_holds_the_duty() -> None:
    done: list[str] = []
    held = {"for all": True}

    async def work(name: str) -> None:
        done.append(name)

    async def holds(duty: str, seconds: float) -> bool:
        assert seconds >= 30
        return held[duty]

    now = [0.0]
    errands = Errands(
        [
            Errand("for all", 10, lambda: work("for all"), alone=True),
            Errand("own", 10, lambda: work("own")),
        ],
        lambda: now[0],
        holds,
    )
    await errands.run()
    now[0], held["for all"] = 10.0, False  # another queen has it
    await errands.run()
    now[0], held["for all"] = 20.0, True  # and has fallen silent
    await errands.run()
    assert done == ["for all", "own", "own", "for all", "own"]


async def test_a_duty_that_cannot_be_asked_for_is_nobodys(here: Here) -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("work")

    async def holds(_duty: str, _seconds: float) -> bool:
        raise StoreUnavailable("away")

    errands = Errands([Errand("for all", 1, work, alone=True)], lambda: 0.0, holds)
    with pytest.raises(StoreUnavailable):
        await errands.run()
    assert done == []


async def test_a_queen_without_a_session_that_lives_takes_nothing_up(here: Here) -> None:
    here.engine.deliver = here.sends
    await here.queued("A-1")
    service = await here.service()
    here.queen.alive = False
    rounds = [0]

    async def looked() -> bool:
        rounds[0] += 1
        return rounds[0] > 60

    await here.until(service, looked)
    assert here.engine.ran == []
    here.queen.alive = True

    async def sent() -> bool:
        return await here.ask("SELECT state FROM deliveries") == ["sent"]

    await here.until(service, sent)


async def test_what_a_dead_queen_has_begun_is_gone_on_with_and_not_begun_again(here: Here) -> None:
    await here.queued("A-1", "A-2")
    dead = await Queen(here.store, here.clock, here.mode, name="z").lives()
    await dead.claims.deliveries(2, ())
    await dead.dies()
    here.engine.deliver = here.sends
    here.engine.left = {"deliver:A-1"}

    async def sent() -> bool:
        return await here.ask("SELECT DISTINCT state FROM deliveries") == ["sent"]

    await here.until(await here.service(), sent)
    assert here.engine.gone_on_with == ["deliver:A-1"]
    assert here.engine.ran == [(DELIVER, "A-2")]


async def test_what_broke_is_given_back_for_the_others(here: Here) -> None:
    async def fail(_received: Received) -> str:
        raise StoreUnavailable("away")

    here.handlers = {Source.EDIT: fail}
    await here.arrives("e1", Source.EDIT)
    service = await here.service()

    async def given_back() -> bool:
        rows = await here.ask("SELECT count(*) FROM inbox WHERE claimed_by IS NULL")
        return rows == [1] and service.told()["waits_because"] is None

    await here.until(service, given_back)
    assert await here.ask("SELECT state FROM inbox") == ["new"]
