"""A queen's session: renewed while she lives, believed in no longer than it runs, begun anew."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select, update

from guardrails.errors import StoreUnavailable
from guardrails.leases import Holder, WorkerState, read_workers
from guardrails.store import Store
from guardrails.store.fleet_tables import workers
from guardrails.store.moments import db_moment
from orchestrator.fleet.membership import Membership

pytestmark = pytest.mark.anyio
HERE = Holder("0123456789abcdef", "host-a", 7, "1", "live")


@dataclass
class Time:
    """What passes for her."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def member(store: Store, time: Time | None = None, every_s: float = 0.02) -> Membership:
    return Membership(store, HERE, 60, every_s, passing=time or Time())


async def state(store: Store) -> WorkerState:
    (found,) = await store.query(read_workers)
    return found.state


async def lease(store: Store) -> str:
    asked = select(workers.c.lease_until)
    return str(await store.query(lambda conn: conn.execute(asked).scalar_one()))


async def eventually(holds: object, seconds: float = 20) -> None:
    assert callable(holds)
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - a task of the one under test is waited for
            await asyncio.sleep(0.01)


async def test_she_lives_for_as_long_as_she_is_there_and_ends_in_order(store: Store) -> None:
    async with member(store) as queen:
        first = await lease(store)

        async def renewed() -> bool:
            return await lease(store) > first

        await eventually(renewed)
        assert queen.alive
        assert await queen.ready(idle=True)
    assert await state(store) is WorkerState.ENDED


async def test_she_does_not_believe_in_a_lease_longer_than_it_runs(store: Store) -> None:
    time = Time()
    async with member(store, time, every_s=3600) as queen:
        time.now = 59
        assert await queen.ready(idle=False)
        time.now = 61  # and she was not heard of: frozen, or cut off
        assert not await queen.ready(idle=False)


def test_the_time_that_a_machine_sleeps_counts() -> None:
    """In a namespace whose machine has slept for ten hours, by its clocks."""
    slept = ["unshare", "--time", "--boottime", "36000", "--fork", sys.executable, "-P", "-c"]
    if subprocess.run([*slept, ""], capture_output=True, check=False).returncode:
        pytest.skip("namespaces of time need root")
    script = (
        "import time; from orchestrator.fleet.membership import passing\n"
        "print(passing() - time.monotonic())"
    )
    done = subprocess.run([*slept, script], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 35_000


async def test_after_a_loss_she_begins_anew_when_nothing_is_in_hand(store: Store) -> None:
    async with member(store) as queen:
        former = queen.session
        await store.run(
            lambda conn: conn.execute(update(workers).values(lease_until=db_moment(-1)))
        )

        async def lost() -> bool:
            return not queen.alive

        await eventually(lost)
        assert not await queen.ready(idle=False)
        assert queen.session == former  # what is in hand ends under it
        assert await queen.ready(idle=True)
        assert queen.session != former
        assert queen.executor == former  # at the engine she is who she was
        assert await state(store) is WorkerState.ALIVE


@dataclass
class Sometimes:
    """A store that is away when a test says so."""

    store: Store
    away: bool = False
    loses_answers: bool = False

    async def run(self, call: Any) -> Any:
        if self.away:
            raise StoreUnavailable("away")
        done = await self.store.run(call)
        if self.loses_answers:
            raise StoreUnavailable("written, and nobody was told")
        return done


async def test_while_the_database_is_away_she_takes_up_nothing_and_tries_again(
    store: Store,
) -> None:
    time, there = Time(), Sometimes(store)
    kept: Any = there
    async with member(kept, time, every_s=3600) as queen:
        time.now, there.away = 61, True
        assert not await queen.ready(idle=True)
        there.away = False
        assert await queen.ready(idle=True)


async def test_a_session_whose_beginning_she_was_not_told_of_ends_with_her(store: Store) -> None:
    time, there = Time(), Sometimes(store)
    kept: Any = there
    async with member(kept, time, every_s=3600) as queen:
        former, time.now, there.loses_answers = queen.session, 61, True
        assert not await queen.ready(idle=True)
        there.loses_answers = False
        (begun,) = await store.query(read_workers)
        assert begun.session != former
    assert await state(store) is WorkerState.ENDED  # or she would be missed for ever


async def test_another_queen_of_the_same_hive_ends_her_session(store: Store) -> None:
    async with member(store) as first, member(store) as second:

        async def lost() -> bool:
            return not first.alive

        await eventually(lost)
        assert second.alive
        assert not await first.ready(idle=False)
    assert await state(store) is WorkerState.ENDED


async def test_of_two_queens_with_one_hive_the_earlier_waits_until_the_later_is_gone(
    store: Store,
) -> None:
    time = Time()
    async with member(store, time) as first:
        async with member(store, time, every_s=3600) as second:

            async def lost() -> bool:
                return not first.alive

            await eventually(lost)
            assert not await first.ready(
                idle=True
            )  # or they would take it from each other for ever
            (one,) = await store.query(read_workers)
            assert one.session == second.session
            assert second.alive
        assert not await first.ready(idle=True)  # she does not ask all the time
        time.now += 60
        assert await first.ready(idle=True)
