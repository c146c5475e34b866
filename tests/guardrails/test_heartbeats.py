"""Heartbeats: a process says that it lives, what it is about, and that it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from guardrails.clock import iso
from guardrails.errors import BadInput, Stopped, StoreUnavailable
from guardrails.heartbeats import (
    Beating,
    Heartbeat,
    name_of,
    put,
    read_heartbeats,
    retire,
    tag_of,
)
from guardrails.hive import Hive
from guardrails.kernel import process_state
from guardrails.store import Store, open_store
from guardrails.store.people_tables import heartbeats
from tests.conftest import SteppableClock

pytestmark = pytest.mark.anyio


def _only(store: Store) -> Heartbeat:
    with store.read() as conn:
        (found,) = read_heartbeats(conn)
    return found


async def test_a_process_beats_at_once_and_says_what_it_is_about(
    store: Store, clock: SteppableClock
) -> None:
    async with Beating(store, "queen", clock, 5, lambda: {"queue": 3}, host="here"):
        found = _only(store)
    assert found.name == name_of("queen", "here") == "queen@here"
    assert (found.role, found.pid, found.interval_s) == ("queen", os.getpid(), 5)
    assert (found.beat_at, found.started_at) == (clock.now, clock.now)
    assert found.document == {"queue": 3}
    assert found.expected
    mine = process_state(os.getpid())
    assert mine is not None
    assert found.born == mine[1]


async def test_each_beat_moves_the_same_row_on(store: Store, clock: SteppableClock) -> None:
    async with Beating(store, "gateway", clock, 5) as beating:
        began = clock.now
        clock.step(5)
        await beating.beat()
        found = _only(store)
    assert (found.started_at, found.beat_at) == (began, began + timedelta(seconds=5))


async def test_a_process_that_ends_in_order_is_expected_no_more(
    store: Store, clock: SteppableClock
) -> None:
    for error in (None, asyncio.CancelledError(), Stopped("the red button"), BadInput("x")):
        beating = Beating(store, "queen", clock, 5)
        await beating.__aenter__()
        await beating.__aexit__(type(error) if error else None, error, None)
        found = _only(store)
        assert (found.ended_at, found.error, found.expected) == (clock.now, None, False)


async def test_a_process_that_ends_by_an_error_says_which_and_stays_expected(
    store: Store, clock: SteppableClock
) -> None:
    for error, code in ((StoreUnavailable("away"), "store_unavailable"), (KeyError(), "KeyError")):
        with pytest.raises(type(error)):
            async with Beating(store, "queen", clock, 5):
                raise error
        found = _only(store)
        assert (found.error, found.expected) == (code, True)


async def test_a_database_that_is_away_ends_nobody(store: Store, clock: SteppableClock) -> None:
    beating = Beating(store, "queen", clock, 5)
    store.close()
    async with beating:
        with pytest.raises(StoreUnavailable):
            await beating.beat()


async def test_an_error_in_what_a_process_tells_ends_nobody(
    store: Store, clock: SteppableClock
) -> None:
    async with Beating(store, "queen", clock, 5, lambda: {"x": {}["missing"]}):
        with store.read() as conn:
            assert read_heartbeats(conn) == ()


async def test_a_torn_document_still_tells_who_and_when(
    store: Store, clock: SteppableClock
) -> None:
    row = {
        "name": "queen@here", "pid": 7, "host": "here", "started_at": iso(clock()),
        "beat_at": iso(clock()), "interval_s": 5, "document": '{"serv',
    }  # fmt: skip
    with store.transaction() as conn:
        conn.execute(heartbeats.insert().values(**row))
    found = _only(store)
    assert (found.pid, found.document, found.born, found.expected) == (7, {}, None, True)


async def test_a_retired_machine_is_expected_no_more(store: Store, clock: SteppableClock) -> None:
    async with Beating(store, "queen", clock, 5, host="old"):
        with store.transaction() as conn:
            assert retire(conn, "queen@old")
            assert not retire(conn, "queen@old")
            assert read_heartbeats(conn) == ()


def test_the_kernel_tells_stopped_dead_and_gone_processes_apart() -> None:
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        born = process_state(child.pid)
        assert born is not None
        os.kill(child.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        assert process_state(child.pid) == ("T", born[1])
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert process_state(child.pid) == ("Z", born[1])
    assert process_state(child.pid) is None


async def test_a_process_remembers_predecessors_that_did_not_end_in_order(
    store: Store, clock: SteppableClock
) -> None:
    async def life(pid: int, *, in_order: bool) -> Heartbeat:
        beating = Beating(store, "queen", clock, 5, pid=pid)
        await beating.__aenter__()
        found = _only(store)
        error = None if in_order else KeyError()
        await beating.__aexit__(type(error) if error else None, error, None)
        clock.step(60)
        return found

    first = await life(1, in_order=False)
    assert (first.deaths, first.after_death) == ((), False)
    second = await life(2, in_order=True)
    assert (second.deaths, second.after_death) == ((first.beat_at,), True)
    third = await life(3, in_order=True)
    assert (third.deaths, third.after_death) == ((first.beat_at,), False)
    clock.step(days=1)
    assert (await life(4, in_order=True)).deaths == ()


async def test_a_predecessor_of_the_same_number_died_all_the_same(
    store: Store, clock: SteppableClock
) -> None:
    """In a container every start of a process has the same number."""
    beating = Beating(store, "queen", clock, 5)
    with store.transaction() as conn:
        row = beating.row()
        put(conn, row | {"document": json.dumps({"born": 1})})
    await beating.beat()
    assert _only(store).after_death
    again = Beating(store, "queen", clock, 5)  # the very same process
    await again.beat()
    assert len(_only(store).deaths) == 1


ORPHAN = """
import asyncio, ctypes, os, signal, sys
from pathlib import Path
from guardrails.clock import utc_now
from guardrails.heartbeats import Beating
from guardrails.hive import Hive
from guardrails.store import open_store

async def main():
    store = open_store(Hive.open(Path(sys.argv[1]), sandbox=True))
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with Beating(store, "queen", utc_now, 5):
        print("beats", flush=True)
        await ended.wait()
    store.close()
    print("ended", flush=True)

if os.fork() == 0:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    asyncio.run(main())
else:
    signal.pause()
"""


def test_an_end_that_only_the_supervisors_death_asked_for_is_not_in_order(hive: Hive) -> None:
    command = [sys.executable, "-c", ORPHAN, str(hive.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == "beats\n"
        supervisor.kill()
        assert supervisor.stdout.readline() == "ended\n"
    store = open_store(hive)
    try:
        found = _only(store)
    finally:
        store.close()
    assert (found.error, found.expected) == ("supervisor_died", True)


def test_several_hives_of_one_machine_are_told_apart_on_a_shared_database(hive: Hive) -> None:
    alone, shared = tag_of(hive, shared=False), tag_of(hive, shared=True)
    assert name_of("queen", "here", alone) == "queen@here"
    assert name_of("queen", "here", shared) == f"queen@here/{hive.chain_id()[-8:]}"
